"""Games in the database; a test names only the columns that matter to it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)

_LINKS = {
    "genres": ("game_genres", "genreId"),
    "platforms": ("game_platforms", "platformId"),
    "tags": ("game_tags", "tagId"),
    "categories": ("game_categories", "categoryId"),
}


async def make_game(db: Database, **overrides: Any) -> str:
    """
    Store a game and return its id.

    Overrides are columns of `games`, and `genres`, `platforms`, `tags`, `categories` as names.
    """
    async with db.transaction() as tx:
        return await add_game(tx, **overrides)


async def add_game(tx: Transaction, **overrides: Any) -> str:
    """As `make_game`, inside a transaction."""
    links = {name: overrides.pop(name, ()) for name in _LINKS}
    game = game_columns(**overrides)
    columns = ", ".join(f'"{column}"' for column in game)
    places = ", ".join(f"${place}" for place in range(1, len(game) + 1))
    await tx.execute(f"INSERT INTO games ({columns}) VALUES ({places})", *game.values())
    for kind, names in links.items():
        await link_game(tx, game["id"], kind, names)
    return str(game["id"])


def game_columns(**overrides: Any) -> dict[str, Any]:
    """Return the columns of an ordinary game in stock, with these overrides."""
    title = overrides.get("title", "A Game")
    game = {
        "id": new_id(),
        "title": title,
        "slug": slug_of(title),
        "description": "Nothing to add.",
        "price": Decimal("19.99"),
        "image": "https://images.example/game.jpg",
        "inStock": True,
        "releaseDate": datetime(2020, 1, 1, tzinfo=UTC),
        "createdAt": NOON,
        "updatedAt": NOON,
    }
    unknown = overrides.keys() - game.keys() - _OTHER_COLUMNS
    assert not unknown, f"games has no columns {unknown}"
    return game | overrides


_OTHER_COLUMNS = {
    "shortDescription",
    "originalPrice",
    "discount",
    "currency",
    "images",
    "g2aProductId",
    "g2aStock",
    "g2aLastSync",
    "metacriticScore",
    "userRating",
    "ageRating",
    "multiplayer",
    "activationService",
    "region",
    "publisher",
    "isBestSeller",
    "isNew",
    "isPreorder",
    "ratingCritic",
    "ratingUser",
    "languages",
}


async def link_game(tx: Transaction, game_id: str, kind: str, names: Iterable[str]) -> None:
    """Link the game to genres, platforms, tags or categories, which are created when they are missing."""
    table, column = _LINKS[kind]
    for name in names:
        await tx.execute(
            f"INSERT INTO {kind} (id, name, slug) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            new_id(),
            name,
            slug_of(name),
        )
        await tx.execute(
            f'INSERT INTO {table} ("gameId", "{column}") SELECT $1, id FROM {kind} WHERE name = $2',
            game_id,
            name,
        )


def slug_of(name: str) -> str:
    """Return the slug of a name."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
