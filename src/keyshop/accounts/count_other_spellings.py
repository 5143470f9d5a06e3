"""How many accounts another program stored under spellings that keyshop does not write."""

from typing import Final

from keyshop.accounts.addresses import normalise
from keyshop.schema.connect import Connection

_ADDRESSES: Final = "SELECT email FROM public.users"
_AT_ONCE: Final = 10_000  # addresses in memory


async def count_other_spellings(connection: Connection) -> int:
    """
    Return how many accounts are stored under an address that is not in its normal form.

    They are found by the exact spelling and its lower case only. A Yahoo address with a hyphen counts:
    nobody can tell whether a sub-address is left in it.
    """
    async with connection.transaction(readonly=True):
        addresses = connection.cursor(_ADDRESSES, prefetch=_AT_ONCE)
        return len([None async for (address,) in addresses if normalise(address) != address])
