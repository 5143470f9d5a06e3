"""
A catalogue of thirty games on 15 June 2026 at noon, and queries of it.

`day` counts from that noon: a game of day -14 is new for the last moment.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from keyshop.kit.database.pool import Database
from keyshop.storefront.models import CatalogueFilter, CatalogueQuery, Sort
from tests.factories.games import NOON, add_game


class Row(NamedTuple):
    """One game of the catalogue."""

    title: str
    rating: str | None
    day: int
    genres: str = ""
    tags: str = ""
    publisher: str | None = None
    flags: str = ""
    price: str = "20.00"
    description: str = "A game."


CATALOGUE = [
    # Action: six in stock, one unrated, one sold out, one preorder.
    Row("Iron Dawn", "4.90", -900, "Action", "robots", "Northwind", price="59.99"),
    Row("Iron Dusk", "4.10", -300, "Action,RPG", "robots,story", "Northwind", "best", "39.99"),
    Row("Ironclad", "3.00", -100, "Action", "ships", "Northwind", price="9.99"),
    Row("Steel Iron", "4.10", -200, "Action,Open World", "robots", "Northwind", price="10.00"),
    Row("Rust", None, -50, "Action", "", "Northwind", price="24.99"),
    Row("Gone Iron", "5.00", -60, "Action", "robots", "Northwind", "sold"),
    Row("Iron Next", "4.00", 30, "Action", "robots", "Northwind", "preorder", "69.99"),
    # RPG: five in stock, most of them from a publisher with a comma in its name.
    Row("Dragon Oath", "4.80", -700, "RPG", "dragons,story", "Foo, Inc.", "best", "49.99"),
    Row("Dragon Song", "4.70", -650, "RPG", "dragons", "Foo, Inc."),
    Row("Old Dragon", "2.10", -3000, "RPG", "dragons", "Foo, Inc.", price="4.99"),
    Row("Oath", "3.50", -20, "RPG,Open World", "story", "Foo, Inc."),
    # Open World: four in stock.
    Row("Wide Plains", "4.60", -400, "Open World", "horses", "Prairie"),
    Row("Wider Plains", "4.60", -10, "Open World", "horses", "Prairie", "new"),
    # Noir: three in stock.
    Row("Rain", "4.20", -500, "Noir", "story,city", "Lamp"),
    Row("Smoke", "4.30", -5, "Noir", "city", "Lamp", "best,new"),
    Row("Ash", None, -15, "Noir", "city", "Lamp"),
    # Racing: three in stock, one of them at the last moment of being new.
    Row("Apex", "3.90", -14, "Racing", "cars", "Pit Lane"),
    Row("Apex 2", "3.80", -13, "Racing", "cars", "Pit Lane", "new"),
    Row("Apex Zero", "1.00", -4000, "Racing", "cars", "Pit Lane", price="0.99"),
    # Puzzle: two in stock, too few for a collection.
    Row("Blocks", "4.40", -1000, "Puzzle", "", "Solo"),
    Row("Knots", "4.45", -1100, "Puzzle", "", "Solo"),
    # Without a genre or a publisher.
    Row("Drift", "2.00", 5, "", "", None, "preorder", description="Cars in a city of rain."),
    Row("Quiet", None, 1, "", "", None, "", description="An iron will."),
    Row("Later", None, 90, "", "", None, "preorder"),
    Row("Never", None, 400, "", "", None, "preorder,sold"),
    Row("Fresh", "3.33", -1, "", "", "", "", description="Warm bread, 100% rye, under_score."),
    Row("100% Orange", "3.20", -800, "", "", None),
    Row("Under_Score", "3.10", -810, "", "", None),
    Row("Ébène", "3.05", -820, "", "", "Éditions du Nord"),
    Row("Sold", "4.99", -2, "Puzzle", "cars", "Solo", "sold"),
]


def make_catalogue_query(
    filters: CatalogueFilter | None = None,
    *,
    sort: Sort = Sort.POPULAR,
    page: int = 1,
    page_size: int = 36,
) -> CatalogueQuery:
    return CatalogueQuery(
        filters=filters or CatalogueFilter(), sort=sort, page=page, page_size=page_size
    )


async def stock_catalogue(db: Database) -> dict[str, str]:
    """Insert the games, and return their ids by title."""
    async with db.transaction() as tx:
        return {
            row.title: await add_game(tx, **_game(row, place))
            for place, row in enumerate(CATALOGUE)
        }


def _game(row: Row, place: int) -> dict[str, Any]:
    return {
        "title": row.title,
        "description": row.description,
        "price": Decimal(row.price),
        "userRating": None if row.rating is None else Decimal(row.rating),
        "releaseDate": NOON + timedelta(days=row.day),
        "createdAt": NOON - timedelta(minutes=place),
        "publisher": row.publisher,
        "inStock": "sold" not in row.flags,
        "isBestSeller": "best" in row.flags,
        "isNew": "new" in row.flags,
        "isPreorder": "preorder" in row.flags,
        "multiplayer": place % 2 == 0,
        "genres": _names(row.genres),
        "tags": _names(row.tags),
        "platforms": ["Steam"] if place % 3 else ["Steam", "GOG.COM"],
    }


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]
