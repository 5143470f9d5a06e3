"""Count the accounts that another program stored without normalising their addresses."""

from typing import Final

from keyshop.accounts.addresses import normalise
from keyshop.schema.connect import Connection

_EMAILS: Final = "SELECT email FROM public.users"
_BATCH_SIZE: Final = 10_000  # addresses in memory


async def count_unnormalised_emails(connection: Connection) -> int:
    """
    Return how many accounts have an address that is not in its normal form.

    Only the exact spelling and its lower case find such an account. A Yahoo address with one
    hyphen counts as well: whether a sub-address is left in it cannot be known.
    """
    async with connection.transaction(readonly=True):
        emails = connection.cursor(_EMAILS, prefetch=_BATCH_SIZE)
        return len([None async for (email,) in emails if normalise(email) != email])
