"""What is kept out of an attached database, because it holds a real shop."""

from typing import Final

from keyshop.assembly import Shop
from keyshop.kit.errors import Conflict
from keyshop.schema.status import was_made_by_keyshop


class SimulatorRefused(Conflict):
    """A sync would write the simulator's products into a real shop."""

    def __init__(self) -> None:
        super().__init__(NO_SUPPLIER)


NO_SUPPLIER: Final = (
    "The database is attached and no supplier is configured. The simulator's products are never"
    " written to an attached database; to synchronise, set G2A_API_URL, G2A_CLIENT_ID, G2A_EMAIL and"
    " G2A_CLIENT_SECRET."
)


async def is_attached(shop: Shop) -> bool:
    """Test whether Prisma made the shop's database."""
    async with shop.db.read() as reader:
        return not await was_made_by_keyshop(reader)


async def may_synchronise(shop: Shop) -> bool:
    """Test whether the supplier's products may be written to the shop's database."""
    return not (shop.settings.uses_simulator and await is_attached(shop))
