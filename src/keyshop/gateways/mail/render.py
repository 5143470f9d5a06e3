"""Fills a mail's template: subject, text and HTML."""

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
from keyshop.kit.secrets import Secret
from keyshop.mail.protocol import Mail

_TEMPLATES: Final = Path(__file__).parent / "templates"
_WEB_ADDRESS: Final = re.compile(r"[:/@\\]|\.\S")


class Rendered(NamedTuple):
    """The parts of a mail that a person reads; text and HTML say the same."""

    subject: str
    text: str
    html: str


class TemplateBroken(Invalid):
    """The mail's template does not exist, or lacks a value."""


def render(mail: Mail) -> Rendered:
    """
    Fill the mail's templates.

    Raises:
        TemplateBroken: there is no such template, or a value is missing.
    """
    values = {**mail.values, "lines": mail.lines}
    try:
        plain = _ENVIRONMENT.get_template(f"{mail.template}.txt").render(values)
        html = _ENVIRONMENT.get_template(f"{mail.template}.html").render(values)
    except TemplateNotFound:
        raise TemplateBroken(f"There is no mail template {mail.template!r}.") from None
    except TemplateError as error:
        raise TemplateBroken(f"Mail template {mail.template!r}: {error}.") from None
    subject, _, text = plain.partition("\n\n")
    return Rendered(_one_line(subject), text.strip() + "\n", html)


def _finish(value: object) -> object:
    """Put a value on one line, so that it can neither add a header nor pose as the shop's text."""
    return _one_line(value) if isinstance(value, str) and not isinstance(value, _Block) else value


class _Block(str):
    """Text whose lines and spaces stay as they are."""

    __slots__ = ()


def _block(text: str | Secret, indent: str = "") -> _Block:
    """
    Return a key's text, or an address, unchanged but for `indent` before each of its lines.

    The text of a key may have several lines. Indented, none of them looks like the shop's own text.
    """
    if isinstance(text, Secret):
        text = text.reveal()
    return _Block("\n".join(indent + line for line in text.split("\n")))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _greeting(nickname: str) -> str:
    """
    Return the greeting, without a nickname that looks like a web address.

    A spammer could register other people's addresses under a nickname that is an advertisement.
    """
    name = _one_line(nickname)[:50]
    return "Hello" if not name or _WEB_ADDRESS.search(name) else f"Hello {name}"


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
    environment.filters["block"] = _block
    return environment


_ENVIRONMENT: Final = _environment()
