"""All promo codes, for an operator."""

from keyshop.kit.database.transaction import Reader
from keyshop.promotions import queries
from keyshop.promotions.models import Promo


async def list_promos(reader: Reader) -> list[Promo]:
    """Return all promo codes, the newest first."""
    return await queries.list_promos(reader)
