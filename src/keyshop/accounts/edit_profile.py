"""A customer changes what the shop calls them."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.errors import PasswordNotHere, UserNotFound
from keyshop.accounts.models import ProfileChanges
from keyshop.accounts.rules import checked_name, checked_nickname
from keyshop.kit.database import Database


async def edit_profile(
    db: Database, *, user_id: str, changes: ProfileChanges, now: datetime
) -> None:
    """
    Change nickname, first and last name as far as they are given; an empty name is none.

    Raises:
        AccountInvalid: one of them cannot be taken.
        PasswordNotHere: a password was sent along, as if that could change it.
        UserNotFound: the account is gone.
    """
    if changes.password:
        raise PasswordNotHere
    nickname = None if changes.nickname is None else checked_nickname(changes.nickname)
    names = (
        _change_of(changes.first_name, "firstName"),
        _change_of(changes.last_name, "lastName"),
    )
    async with db.transaction() as tx:
        if not await queries.set_profile(tx, user_id, nickname=nickname, names=names, now=now):
            raise UserNotFound


def _change_of(name: str | None, field: str) -> tuple[bool, str | None]:
    """Return whether the name changes, and to what."""
    return (False, None) if name is None else (True, checked_name(name, field))
