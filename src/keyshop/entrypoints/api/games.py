"""Games, lists, search and filter values at /api/games."""

from litestar import MediaType, Router, get
from litestar.types import Scope

from keyshop.entrypoints.api.parameters import (
    Count,
    GameId,
    Genre,
    GenrePath,
    Limit,
    SearchTerm,
    Slug,
    clamp_count,
)
from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.openapi import documented_public_responses
from keyshop.entrypoints.http.responses import PublicJson
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

_GAME = documented_public_responses(Envelope[Game], 404)
_GAMES = documented_public_responses(Envelope[list[Game]])
_NAMES = documented_public_responses(Envelope[list[NamedSlug]])


@get(
    "/autocomplete",
    responses=documented_public_responses(Envelope[list[Suggestion]]),
    media_type=MediaType.JSON,
)
async def autocomplete(
    scope: Scope, q: SearchTerm = "", limit: Limit = DEFAULT_SUGGESTIONS
) -> PublicJson:
    """Suggest games for the text typed so far."""
    shop = shop_of(scope)
    return PublicJson(await suggest_games(shop.db, shop.cache, text=q, limit=limit, now=utc_now()))


@get("/search", responses=_GAMES, media_type=MediaType.JSON)
async def search(scope: Scope, q: SearchTerm = "") -> PublicJson:
    """Search the games in stock by title, publisher and description."""
    shop = shop_of(scope)
    return PublicJson(await search_games(shop.db, text=q, now=utc_now()))


@get("/best-sellers", responses=_GAMES, media_type=MediaType.JSON)
async def best_sellers(scope: Scope, genre: Genre = None) -> PublicJson:
    """List the best sellers of all games or of one genre."""
    shop = shop_of(scope)
    return PublicJson(
        await list_best_sellers(shop.db, shop.cache, genre=genre or None, now=utc_now())
    )


@get("/new-in-catalog", responses=_GAMES, media_type=MediaType.JSON)
async def new_in_catalogue(scope: Scope) -> PublicJson:
    """List games that were released in the last two weeks or will be released."""
    shop = shop_of(scope)
    return PublicJson(await list_new_in_catalogue(shop.db, shop.cache, now=utc_now()))


@get("/preorders", responses=_GAMES, media_type=MediaType.JSON)
async def preorders(scope: Scope) -> PublicJson:
    """List games that can be pre-ordered, the next release first."""
    shop = shop_of(scope)
    return PublicJson(await list_preorders(shop.db, shop.cache, now=utc_now()))


@get("/new", responses=_GAMES, media_type=MediaType.JSON)
async def new(scope: Scope) -> PublicJson:
    """List new games as /new-in-catalog does, without pre-orders."""
    shop = shop_of(scope)
    return PublicJson(await list_new(shop.db, shop.cache, now=utc_now()))


@get("/by-genre/{genre:str}", responses=_GAMES, media_type=MediaType.JSON)
async def by_genre(scope: Scope, genre: GenrePath) -> PublicJson:
    """List the popular games of a genre, or the best sellers if it has none."""
    shop = shop_of(scope)
    return PublicJson(await list_by_genre(shop.db, shop.cache, genre=genre, now=utc_now()))


@get("/random", responses=_GAMES, media_type=MediaType.JSON)
async def random(scope: Scope, count: Count = 10) -> PublicJson:
    """List random games in stock."""
    shop = shop_of(scope)
    return PublicJson(await list_random(shop.db, count=clamp_count(count), now=utc_now()))


@get("/genres", responses=_NAMES, media_type=MediaType.JSON)
async def genres(scope: Scope) -> PublicJson:
    """List all genres by name."""
    shop = shop_of(scope)
    return PublicJson(await list_genres(shop.db, shop.cache, now=utc_now()))


@get("/platforms", responses=_NAMES, media_type=MediaType.JSON)
async def platforms(scope: Scope) -> PublicJson:
    """List all platforms by name."""
    shop = shop_of(scope)
    return PublicJson(await list_platforms(shop.db, shop.cache, now=utc_now()))


@get(
    "/filter-options",
    responses=documented_public_responses(Envelope[FilterOptions]),
    media_type=MediaType.JSON,
)
async def filter_options(scope: Scope) -> PublicJson:
    """List the values of every filter of the catalogue."""
    shop = shop_of(scope)
    return PublicJson(await list_filter_options(shop.db, shop.cache, now=utc_now()))


@get(
    "/collections",
    responses=documented_public_responses(Envelope[list[Collection]]),
    media_type=MediaType.JSON,
)
async def collections(scope: Scope) -> PublicJson:
    """List the largest genres and publishers with their popular games."""
    shop = shop_of(scope)
    return PublicJson(await list_collections(shop.db, shop.cache, now=utc_now()))


@get("/{game_id:str}/similar", responses=_GAMES, media_type=MediaType.JSON)
async def similar(scope: Scope, game_id: GameId, count: Count = DEFAULT_SIMILAR) -> PublicJson:
    """List games similar to this one."""
    shop = shop_of(scope)
    return PublicJson(
        await list_similar(
            shop.db, shop.cache, game_id=game_id, count=clamp_count(count), now=utc_now()
        )
    )


@get("/slug/{slug:str}", responses=_GAME, media_type=MediaType.JSON)
async def game_by_slug(scope: Scope, slug: Slug) -> PublicJson:
    """Show the game with this slug."""
    shop = shop_of(scope)
    return PublicJson(await show_game_by_slug(shop.db, shop.cache, slug=slug, now=utc_now()))


@get("/{game_id:str}", responses=_GAME, media_type=MediaType.JSON)
async def game(scope: Scope, game_id: GameId) -> PublicJson:
    """Show the game with this id."""
    shop = shop_of(scope)
    return PublicJson(await show_game(shop.db, shop.cache, game_id=game_id, now=utc_now()))


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
