"""The watched games in the shop's tables."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from tests.consistency.contents import is_stocked, title_of
from tests.consistency.keys import FIRST_VERSION, GAMES, Key, Kind
from tests.consistency.requests import GENRE
from tests.factories.games import add_game

_LINKS = [GENRE, f"{GENRE} Too"]
_FIRST_PRICE = Decimal(FIRST_VERSION).scaleb(-2)
_BEST = Decimal("5.0")

_DELETE = "DELETE FROM games WHERE id LIKE 'chk-%'"
_DELETE_GENRES = "DELETE FROM genres WHERE name = ANY($1::text[])"
_VERSIONS = """
    SELECT id, (price * 100)::bigint AS version FROM games
    WHERE id LIKE 'chk-%' AND title LIKE 'Watched game %'
"""


async def add_watched_games(db: Database, products: Mapping[str, str]) -> None:
    """Store all games that exist from the beginning; `products` are the supplier's ids."""
    async with db.transaction() as tx:
        await tx.execute(_DELETE)
        for key in GAMES:
            if not key.comes_and_goes:
                await add_watched_game(
                    tx, key, price=_FIRST_PRICE, product=_product_of(key, products)
                )


async def remove_watched_games(db: Database) -> None:
    """Delete the watched games and their genres."""
    async with db.transaction() as tx:
        await tx.execute(_DELETE)
        await tx.execute(_DELETE_GENRES, _LINKS)


async def add_watched_game(
    tx: Transaction, key: Key, *, price: Decimal, product: str | None = None
) -> None:
    """Store a game; every list shows a hot one."""
    is_titled = key.kind is Kind.TITLE
    yesterday = utc_now() - timedelta(days=1)
    shown = {"isBestSeller": True, "userRating": _BEST, "releaseDate": yesterday, "genres": _LINKS}
    await add_game(
        tx,
        id=key.id,
        slug=key.slug,
        title=title_of(FIRST_VERSION) if is_titled else f"Watched game {key.number}",
        price=price,
        inStock=not is_titled or is_stocked(FIRST_VERSION),
        g2aProductId=product,
        **(shown if key.hot else {}),
    )


async def read_last_versions(db: Database) -> dict[int, int]:
    """Return the current version of every game in the database."""
    async with db.read() as reader:
        found = {record["id"]: record["version"] for record in await reader.fetch(_VERSIONS)}
    return {key.number: found[key.id] for key in GAMES if key.id in found}


def _product_of(key: Key, products: Mapping[str, str]) -> str | None:
    if key.kind is Kind.SYNC:
        return products.get(key.id)  # none where the supplier is not the simulator
    return key.product_id if key.kind in {Kind.SHOP, Kind.BULK} else None
