"""Which open units it is time to work on."""

from datetime import datetime

from keyshop.kit.database.transaction import Reader
from keyshop.orders import change_queries as queries
from keyshop.orders.models import UnitRef


async def list_due(reader: Reader, *, now: datetime, limit: int) -> list[UnitRef]:
    """Return up to `limit` open units that are due, those first that have been due for longest."""
    return await queries.list_due(reader, now=now, limit=limit)
