"""Renders the templates of the pages."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)

_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


def render(template: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(template).render(**values)


def page_response(
    template: str, *, status: int = 200, error: str = "", **values: object
) -> Response[str]:
    """Return a page that loads nothing, with the error message if there is one."""
    return Response(
        render(template, error=error, **values),
        status_code=status,
        media_type=MediaType.HTML,
        headers={"Content-Security-Policy": _CONTENT_SECURITY_POLICY},
    )
