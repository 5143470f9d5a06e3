"""The page at /: what runs here and where to go next."""

from html import escape
from typing import Final

from litestar import MediaType, get
from litestar.handlers import HTTPRouteHandler

_EXAMPLES: Final = [
    ("/api/games?inStockOnly=true&sort=popular&page=1&pageSize=36", "the catalogue"),
    ("/api/games/best-sellers", "best sellers"),
    ("/api/games/new-in-catalog", "new in the catalogue"),
    ("/api/games/preorders", "what can be ordered ahead"),
    ("/api/games/search?q=the", "a search"),
    ("/api/games/autocomplete?q=the", "suggestions while typing"),
    ("/api/games/random?count=5", "five games at random"),
    ("/api/games/filter-options", "what can be filtered by"),
    ("/api/games/collections", "collections"),
]
_PLACES: Final = [
    ("/docs", "every endpoint, to read and to try"),
    ("/openapi.json", "the same for programs"),
    ("/health", "whether everything works"),
    ("/metrics", "figures for Prometheus"),
]

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>keyshop</title>
<link rel="icon" href="data:,">
<style>
  :root {{ color-scheme: light dark; --line: #8884; --soft: #888; --link: #3563e9; }}
  @media (prefers-color-scheme: dark) {{ :root {{ --link: #8fb0ff; }} }}
  body {{ font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto;
         padding: 0 1.25rem; }}
  h1 {{ font-size: 2rem; margin: 0; }}
  h2 {{ font-size: 1rem; margin: 2.2rem 0 .6rem; }}
  p {{ margin: .4rem 0 0; color: var(--soft); }}
  ul {{ list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }}
  li {{ display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem;
       padding: .5rem 0; border-bottom: 1px solid var(--line); }}
  li span {{ color: var(--soft); }}
  a {{ color: var(--link); text-decoration: none;
      font: .875rem/1.7 ui-monospace, monospace; overflow-wrap: anywhere; }}
  a:hover {{ text-decoration: underline; }}
</style>
</head>
<body>
<h1>keyshop</h1>
<p>The backend of a shop that sells digital game keys. It answers here.</p>
<h2>Look around</h2>
<ul>{places}</ul>
<h2>Ask the catalogue</h2>
<ul>{examples}</ul>
</body>
</html>
"""


def start_page_handler(simulator_url: str | None) -> HTTPRouteHandler:
    """Return the handler of /; it links the simulator when one stands in for the supplier."""
    places = [*_PLACES]
    if simulator_url is not None:
        places.append((simulator_url, "the simulated supplier: catalogue, wallet, orders"))
    page = _PAGE.format(places=_links(places), examples=_links(_EXAMPLES))

    @get("/", media_type=MediaType.HTML, include_in_schema=False)
    async def start_page() -> str:
        return page

    return start_page


def _links(targets: list[tuple[str, str]]) -> str:
    return "".join(
        f'<li><a href="{escape(target)}">{escape(target)}</a><span>{escape(text)}</span></li>'
        for target, text in targets
    )
