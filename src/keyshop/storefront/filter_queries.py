"""The SQL of the values that the catalogue can be filtered by."""

from typing import Final

from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Reader
from keyshop.storefront.models import NamedSlug

_GENRES: Final = "SELECT name, slug FROM genres ORDER BY name"

_PLATFORMS: Final = "SELECT name, slug FROM platforms ORDER BY name"

# A loose index scan: it jumps from one value to the next instead of reading every game.
_VALUES: Final = """
    WITH RECURSIVE found AS (
        (SELECT {column} AS value FROM keyshop.game_facets
         WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1)
        UNION ALL
        SELECT (SELECT {column} FROM keyshop.game_facets
                WHERE {column} > found.value ORDER BY {column} LIMIT 1)
        FROM found WHERE found.value IS NOT NULL
    )
    SELECT value FROM found WHERE value <> '' ORDER BY value
"""

ACTIVATION_SERVICES: Final = _VALUES.format(column="activation_service")

REGIONS: Final = _VALUES.format(column="region")

PUBLISHERS: Final = _VALUES.format(column="publisher")


async def list_genres(reader: Reader) -> list[NamedSlug]:
    return rows(NamedSlug, await reader.fetch(_GENRES))


async def list_platforms(reader: Reader) -> list[NamedSlug]:
    return rows(NamedSlug, await reader.fetch(_PLATFORMS))


async def list_values(reader: Reader, statement: str) -> list[str]:
    """Return the values that one of the statements above selects."""
    return [record[0] for record in await reader.fetch(statement)]
