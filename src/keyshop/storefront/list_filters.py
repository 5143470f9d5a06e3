"""What the catalogue can be filtered by."""

from keyshop.kit.database import Database
from keyshop.storefront import queries
from keyshop.storefront.answer import answer
from keyshop.storefront.models import FilterOptions


async def list_genres(db: Database) -> bytes:
    """Return all genres by name."""
    async with db.read() as reader:
        return answer(await queries.list_genres(reader))


async def list_platforms(db: Database) -> bytes:
    """Return all platforms by name."""
    async with db.read() as reader:
        return answer(await queries.list_platforms(reader))


async def list_filter_options(db: Database) -> bytes:
    """Return every value of every filter."""
    async with db.read() as reader:
        return answer(
            FilterOptions(
                genres=await queries.list_genres(reader),
                platforms=await queries.list_platforms(reader),
                activation_services=await queries.list_values(reader, queries.ACTIVATION_SERVICES),
                regions=await queries.list_values(reader, queries.REGIONS),
                publishers=await queries.list_values(reader, queries.PUBLISHERS),
            )
        )
