"""Accounts, and the tokens of a shop that signs them in."""

from datetime import timedelta
from typing import Any

from keyshop.accounts.columns import ACCOUNT_COLUMNS, to_account
from keyshop.accounts.models import Account, TokenPair
from keyshop.accounts.sessions.families import begin_family
from keyshop.accounts.sessions.tokens import Tokens, TokenSecrets
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret
from tests.factories.games import NOON

HOUR = timedelta(hours=1)
MONTH = timedelta(days=30)
# No password has these hashes.
OLD_HASH = "$2b$12$" + "o" * 53
NEW_HASH = "$2b$12$" + "n" * 53


def make_tokens(**overrides: Any) -> Tokens:
    """Return a signer; overrides are secrets, `access_lifetime` and `refresh_lifetime`."""
    lifetimes = {"access_lifetime": HOUR, "refresh_lifetime": MONTH}
    lifetimes |= {name: overrides.pop(name) for name in lifetimes if name in overrides}
    secrets = {"access": "a" * 32, "refresh": "r" * 32} | overrides
    return Tokens(
        TokenSecrets(**{name: Secret(value) for name, value in secrets.items()}), **lifetimes
    )


async def add_user(db: Database, **overrides: Any) -> Account:
    """Store an account and return it; overrides are columns."""
    user_id = new_id()
    columns: dict[str, Any] = {
        "id": user_id,
        "email": f"{user_id}@example.com",
        "passwordHash": OLD_HASH,
        "nickname": "Alice",
        "role": "USER",
        "createdAt": NOON,
        "updatedAt": NOON,
    } | overrides
    names = ", ".join(f'"{name}"' for name in columns)
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    async with db.transaction() as tx:
        await tx.execute(f"INSERT INTO users ({names}) VALUES ({places})", *columns.values())
    return await get_account(db, str(columns["id"]))


async def get_account(db: Database, user_id: str) -> Account:
    """Return the account as it is stored."""
    async with db.read() as reader:
        found = await reader.fetchrow(
            f"SELECT {ACCOUNT_COLUMNS} FROM users AS u WHERE u.id = $1", user_id
        )
    assert found is not None
    return to_account(found)


async def sign_in(db: Database, tokens: Tokens, account: Account, **when: Any) -> TokenPair:
    """Sign the account in on another device, at `now`."""
    async with db.transaction() as tx:
        return await begin_family(tx, tokens, account, now=when.get("now", utc_now()))


def family_of(tokens: Tokens, pair: TokenPair, **when: Any) -> str:
    """Return the id of the family that the pair belongs to."""
    return tokens.read_refresh(pair.refresh_token, now=when.get("now", utc_now())).fid
