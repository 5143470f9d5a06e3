"""A customer changes nickname and names."""

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
    Change the given names; an empty first or last name is removed.

    A value that equals the stored one is not checked: pages send all fields, and stored values may
    be older than the rules.

    Raises:
        AccountInvalid: a changed name breaks a rule.
        PasswordNotHere: a password was sent with the profile.
        UserNotFound: there is no such account, or it was erased.
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
        await queries.set_profile(
            tx,
            user_id,
            nickname=nickname,
            first_name=_new_name(changes.first_name, account.first_name, "firstName"),
            last_name=_new_name(changes.last_name, account.last_name, "lastName"),
            now=now,
        )


def _new_name(name: str | None, stored: str | None, field: str) -> str | None:
    return stored if name is None or name == stored else parse_name(name, field)
