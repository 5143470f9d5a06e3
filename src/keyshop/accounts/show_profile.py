"""A customer's own page."""

from datetime import datetime

from msgspec import UNSET, UnsetType

from keyshop.accounts import queries
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.models import Profile, ProfileStatistics, Role
from keyshop.accounts.queries import Figures
from keyshop.accounts.rules import days_since, empty_fields, true_until
from keyshop.cache_keys import PROFILE
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_data, format_utc


async def show_profile(db: Database, cache: Cache, *, user_id: str, now: datetime) -> bytes:
    """
    Return who the customer is, the balance, and what was bought.

    Raises:
        UserNotFound: the account is gone.
    """

    async def load() -> Loaded:
        async with db.read() as reader:
            figures = await queries.find_figures(reader, user_id)
        if figures is None:
            return Loaded(None)
        until = true_until(figures.created_at, now=now)
        return Loaded(encode_data(_profile(figures, now=now)), until)

    shown = await cache.read(PROFILE.find_key(user=user_id), load, now=now)
    if shown is None:
        raise UserNotFound
    return shown


def _profile(figures: Figures, *, now: datetime) -> Profile:
    return Profile(
        id=figures.id,
        email=figures.email,
        nickname=figures.nickname,
        first_name=_given(figures.first_name),
        last_name=_given(figures.last_name),
        avatar=_given(figures.avatar),
        balance=figures.balance,
        role=Role(figures.role),
        email_verified=figures.email_verified,
        created_at=format_utc(figures.created_at),
        stats=ProfileStatistics(
            games_purchased=figures.games,
            total_saved=figures.saved,
            days_since_registration=days_since(figures.created_at, now=now),
            empty_fields_count=empty_fields(figures.first_name, figures.last_name, figures.avatar),
        ),
    )


def _given(text: str | None) -> str | UnsetType:
    return text or UNSET
