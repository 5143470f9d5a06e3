"""A customer changes what the shop calls them."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.errors import PasswordNotHere, UserNotFound
from keyshop.accounts.models import ProfileChanges
from keyshop.accounts.rules import parse_name, parse_nickname
from keyshop.kit.database.pool import Database


async def edit_profile(
    db: Database, *, user_id: str, changes: ProfileChanges, now: datetime
) -> None:
    """
    Change nickname, first and last name as far as they are given; an empty name is none.

    What is stored already is not judged: pages send all fields, and older rules let others pass.

    Raises:
        AccountInvalid: one that differs cannot be taken.
        PasswordNotHere: a password was sent along, as if that could change it.
        UserNotFound: the account is gone.
    """
    if changes.password:
        raise PasswordNotHere
    async with db.transaction() as tx:
        account = await queries.lock_account(tx, user_id)
        if account is None:
            raise UserNotFound
        nickname = None
        if changes.nickname not in {None, account.nickname}:
            nickname = parse_nickname(changes.nickname)
        names = (
            _change_of(changes.first_name, account.first_name, "firstName"),
            _change_of(changes.last_name, account.last_name, "lastName"),
        )
        await queries.set_profile(tx, user_id, nickname=nickname, names=names, now=now)


def _change_of(name: str | None, stored: str | None, field: str) -> tuple[bool, str | None]:
    """Return whether the name changes, and to what."""
    return (False, None) if name in {None, stored} else (True, parse_name(name, field))
