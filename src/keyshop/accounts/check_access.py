"""Whether an access token is still good, and for what."""

from datetime import datetime
from typing import Final

from msgspec import json

from keyshop.accounts.errors import TokenRefused
from keyshop.accounts.models import SignedIn
from keyshop.accounts.sessions import queries
from keyshop.accounts.sessions.queries import Access
from keyshop.accounts.sessions.tokens import Tokens
from keyshop.cache_keys import USER_ACCESS
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database

_DECODER: Final = json.Decoder(Access)
_ENCODER: Final = json.Encoder()


async def check_access(
    db: Database, cache: Cache, tokens: Tokens, bearer: str, *, now: datetime
) -> SignedIn:
    """
    Return who shows this access token, with the role that the account has now.

    The signature is looked at once in a process; whether the sign-in still holds is asked every
    time, of the cache, which forgets it when the account or one of its sign-ins changes.

    Raises:
        TokenRefused: it is none of ours or over, or its sign-in was ended.
    """
    claims = tokens.read_access(bearer, now=now)

    async def load() -> Loaded:
        async with db.read() as reader:
            found = await queries.find_access(reader, claims.user_id)
        return Loaded(None if found is None else _ENCODER.encode(found))

    kept = await cache.read(USER_ACCESS.find_key(user=claims.user_id), load, now=now)
    access = None if kept is None else _DECODER.decode(kept)
    if access is None or claims.fid not in access.families:
        raise TokenRefused
    return SignedIn(
        user_id=claims.user_id, email=claims.email, role=access.role, family_id=claims.fid
    )
