"""The profile page of a customer."""

from datetime import datetime

from msgspec import UNSET, UnsetType

from keyshop.accounts import queries
from keyshop.accounts.addresses import displayed
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.models import Profile, ProfileStatistics
from keyshop.accounts.queries import CustomerSummary
from keyshop.accounts.rules import count_empty, days_since, days_valid_until
from keyshop.cache_keys import PROFILE
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_data, format_utc


async def show_profile(db: Database, cache: Cache, *, user_id: str, now: datetime) -> bytes:
    """
    Return the profile as JSON, from the cache or the database.

    Raises:
        UserNotFound: there is no such account.
    """

    async def load() -> Loaded:
        async with db.read() as reader:
            summary = await queries.find_customer_summary(reader, user_id)
        if summary is None:
            return Loaded(None)
        valid_until = days_valid_until(summary.created_at, now=now)
        return Loaded(encode_data(_profile(summary, now=now)), valid_until)

    profile = await cache.read(PROFILE.find_key(user=user_id), load, now=now)
    if profile is None:
        raise UserNotFound
    return profile


def _profile(summary: CustomerSummary, *, now: datetime) -> Profile:
    return Profile(
        id=summary.id,
        email=displayed(summary.email),
        nickname=summary.nickname,
        first_name=_unset_if_empty(summary.first_name),
        last_name=_unset_if_empty(summary.last_name),
        avatar=_unset_if_empty(summary.avatar),
        balance=summary.balance,
        role=summary.role,
        email_verified=summary.email_verified,
        created_at=format_utc(summary.created_at),
        stats=ProfileStatistics(
            games_purchased=summary.games,
            total_saved=summary.saved,
            days_since_registration=days_since(summary.created_at, now=now),
            empty_fields_count=count_empty(summary.first_name, summary.last_name, summary.avatar),
        ),
    )


def _unset_if_empty(text: str | None) -> str | UnsetType:
    return text or UNSET
