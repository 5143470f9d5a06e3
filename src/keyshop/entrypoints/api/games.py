"""The catalogue at /api/games; every handler is one call of the storefront."""

from litestar import MediaType, Router, get

from keyshop.entrypoints.api.parameters import (
    Count,
    Genre,
    Limit,
    PathText,
    Text,
    clamp_count,
)
from keyshop.entrypoints.http.dependencies import CurrentShop
from keyshop.entrypoints.http.errors import described
from keyshop.entrypoints.http.responses import Ready
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope
from keyshop.storefront.list_collections import list_collections
from keyshop.storefront.list_filters import list_filter_options, list_genres, list_platforms
from keyshop.storefront.list_games import (
    list_best_sellers,
    list_by_genre,
    list_new,
    list_new_in_catalogue,
    list_preorders,
    list_random,
    list_similar,
)
from keyshop.storefront.models import (
    Collection,
    FilterOptions,
    Game,
    NamedSlug,
    Suggestion,
)
from keyshop.storefront.rules import DEFAULT_SIMILAR, DEFAULT_SUGGESTIONS
from keyshop.storefront.search_games import search_games, suggest_games
from keyshop.storefront.show_game import show_game, show_game_by_slug

_GAME = described(Envelope[Game], 404)
_GAMES = described(Envelope[list[Game]])
_NAMES = described(Envelope[list[NamedSlug]])


@get("/autocomplete", responses=described(Envelope[list[Suggestion]]), media_type=MediaType.JSON)
async def autocomplete(
    shop: CurrentShop, q: Text = "", limit: Limit = DEFAULT_SUGGESTIONS
) -> Ready:
    """Games that answer what was typed so far."""
    return Ready(await suggest_games(shop.db, shop.cache, text=q, limit=limit, now=utc_now()))


@get("/search", responses=_GAMES, media_type=MediaType.JSON)
async def search(shop: CurrentShop, q: Text = "") -> Ready:
    """Games in stock whose title, publisher or description holds the text."""
    return Ready(await search_games(shop.db, text=q, now=utc_now()))


@get("/best-sellers", responses=_GAMES, media_type=MediaType.JSON)
async def best_sellers(shop: CurrentShop, genre: Genre = None) -> Ready:
    """What sells best, of all games or of a genre by name or slug."""
    return Ready(await list_best_sellers(shop.db, shop.cache, genre=genre or None, now=utc_now()))


@get("/new-in-catalog", responses=_GAMES, media_type=MediaType.JSON)
async def new_in_catalogue(shop: CurrentShop) -> Ready:
    """What came out in the last two weeks or will come out."""
    return Ready(await list_new_in_catalogue(shop.db, shop.cache, now=utc_now()))


@get("/preorders", responses=_GAMES, media_type=MediaType.JSON)
async def preorders(shop: CurrentShop) -> Ready:
    """What can be ordered ahead, the next release first."""
    return Ready(await list_preorders(shop.db, shop.cache, now=utc_now()))


@get("/new", responses=_GAMES, media_type=MediaType.JSON)
async def new(shop: CurrentShop) -> Ready:
    """What came out in the last two weeks and can be played at once."""
    return Ready(await list_new(shop.db, shop.cache, now=utc_now()))


@get("/by-genre/{genre:str}", responses=_GAMES, media_type=MediaType.JSON)
async def by_genre(shop: CurrentShop, genre: PathText) -> Ready:
    """The popular games of a genre by name or slug; best sellers when it has none."""
    return Ready(await list_by_genre(shop.db, shop.cache, genre=genre, now=utc_now()))


@get("/random", responses=_GAMES, media_type=MediaType.JSON)
async def random(shop: CurrentShop, count: Count = 10) -> Ready:
    """Games in stock, others at every call."""
    return Ready(await list_random(shop.db, count=clamp_count(count), now=utc_now()))


@get("/genres", responses=_NAMES, media_type=MediaType.JSON)
async def genres(shop: CurrentShop) -> Ready:
    """All genres by name."""
    return Ready(await list_genres(shop.db, shop.cache, now=utc_now()))


@get("/platforms", responses=_NAMES, media_type=MediaType.JSON)
async def platforms(shop: CurrentShop) -> Ready:
    """All platforms by name."""
    return Ready(await list_platforms(shop.db, shop.cache, now=utc_now()))


@get("/filter-options", responses=described(Envelope[FilterOptions]), media_type=MediaType.JSON)
async def filter_options(shop: CurrentShop) -> Ready:
    """Every value of every filter."""
    return Ready(await list_filter_options(shop.db, shop.cache, now=utc_now()))


@get("/collections", responses=described(Envelope[list[Collection]]), media_type=MediaType.JSON)
async def collections(shop: CurrentShop) -> Ready:
    """The largest genres and publishers with their popular games."""
    return Ready(await list_collections(shop.db, shop.cache, now=utc_now()))


@get("/{game_id:str}/similar", responses=_GAMES, media_type=MediaType.JSON)
async def similar(shop: CurrentShop, game_id: PathText, count: Count = DEFAULT_SIMILAR) -> Ready:
    """Games that have much in common with this one."""
    return Ready(
        await list_similar(
            shop.db, shop.cache, game_id=game_id, count=clamp_count(count), now=utc_now()
        )
    )


@get("/slug/{slug:str}", responses=_GAME, media_type=MediaType.JSON)
async def game_by_slug(shop: CurrentShop, slug: PathText) -> Ready:
    """The game of that slug."""
    return Ready(await show_game_by_slug(shop.db, shop.cache, slug=slug, now=utc_now()))


@get("/{game_id:str}", responses=_GAME, media_type=MediaType.JSON)
async def game(shop: CurrentShop, game_id: PathText) -> Ready:
    """The game of that id."""
    return Ready(await show_game(shop.db, shop.cache, game_id=game_id, now=utc_now()))


games_router = Router(
    path="/api/games",
    tags=["Games"],
    route_handlers=[
        autocomplete,
        search,
        best_sellers,
        new_in_catalogue,
        preorders,
        new,
        by_genre,
        random,
        genres,
        platforms,
        filter_options,
        collections,
        similar,
        game_by_slug,
        game,
    ],
)
