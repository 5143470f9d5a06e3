"""A customer signs out on one device."""

from datetime import datetime

from keyshop.accounts.models import SignedIn
from keyshop.accounts.sessions.families import revoke_family
from keyshop.kit.database.pool import Database


async def sign_out(db: Database, signed_in: SignedIn, *, now: datetime) -> None:
    """Revoke this sign-in; its tokens are refused from now on."""
    async with db.transaction() as tx:
        await revoke_family(tx, signed_in.family_id, reason="signed out", now=now)
