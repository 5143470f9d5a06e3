"""What must stay out of a database that keyshop took over: it holds a real shop."""

from typing import Final

from keyshop.assembly import Shop
from keyshop.kit.errors import Conflict
from keyshop.schema.status import was_made_by_keyshop


class SimulatorRefused(Conflict):
    """The simulator's products would go into a real shop."""

    def __init__(self) -> None:
        super().__init__(NO_SUPPLIER)


NO_SUPPLIER: Final = (
    "The database is attached and no supplier is given: the simulator's products, prices and stock"
    " stay out of it. Set G2A_API_URL, G2A_CLIENT_ID, G2A_EMAIL and G2A_CLIENT_SECRET to synchronise."
)


async def is_attached(shop: Shop) -> bool:
    """Test whether Prisma made the shop's database."""
    async with shop.db.read() as reader:
        return not await was_made_by_keyshop(reader)


async def may_synchronise(shop: Shop) -> bool:
    """Test whether what the supplier says may go into the shop's database."""
    return not (shop.settings.uses_simulator and await is_attached(shop))
