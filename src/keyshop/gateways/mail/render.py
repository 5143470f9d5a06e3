"""Turns a mail's template and values into a subject, a text and a page."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    select_autoescape,
)

from keyshop.kit.errors import Invalid
from keyshop.mail.protocol import Mail

_TEMPLATES: Final = Path(__file__).parent / "templates"
_LIKE_AN_ADDRESS: Final = re.compile(r"[:/@\\]|\.\S")


class Rendered(NamedTuple):
    """What a person reads; the page says the same as the text."""

    subject: str
    text: str
    page: str


class TemplateBroken(Invalid):
    """The mail names a template that is not there, or leaves out a value that it needs."""


def render(mail: Mail) -> Rendered:
    """
    Fill the mail's templates.

    Raises:
        TemplateBroken: there is no such template, or a value is missing.
    """
    try:
        written = _ENVIRONMENT.get_template(f"{mail.template}.txt").render(mail.values)
        page = _ENVIRONMENT.get_template(f"{mail.template}.html").render(mail.values)
    except TemplateNotFound:
        raise TemplateBroken(f"There is no mail template {mail.template!r}.") from None
    except TemplateError as error:
        raise TemplateBroken(f"Mail template {mail.template!r}: {error}.") from None
    subject, _, text = written.partition("\n\n")
    return Rendered(_one_line(subject), text.strip() + "\n", page)


def _finish(value: object) -> object:
    """Return values on one line: they must neither add a header nor look like words of ours."""
    return _one_line(value) if isinstance(value, str) else value


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _greeting(nickname: str) -> str:
    """
    Return how the person is greeted.

    Anybody can register somebody else's address under a nickname that is an advertisement; one that
    looks like an address in the web is left out.
    """
    name = _one_line(nickname)[:50]
    return "Hello" if not name or _LIKE_AN_ADDRESS.search(name) else f"Hello {name}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        finalize=_finish,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["greeting"] = _greeting
    return environment


_ENVIRONMENT: Final = _environment()
