"""Search by text, and suggestions while somebody is typing."""

from datetime import datetime
from typing import Final

from asyncpg import Record

from keyshop.cache_keys import SUGGESTIONS
from keyshop.kit.cache.families import digest
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import EMPTY_LIST, encode_data
from keyshop.storefront import queries, search_queries
from keyshop.storefront.errors import BadParameter
from keyshop.storefront.models import Suggestion
from keyshop.storefront.rules import are_worth_keeping, fold, relevance

MAX_TERM: Final = 200  # characters
_FOUND: Final = 50


def clean_term(text: str) -> str:
    """
    Return what somebody typed, without the blanks around and with single ones inside.

    Raises:
        BadParameter: it is too long to be meant.
    """
    if len(text) > MAX_TERM:
        raise BadParameter(f"A search has at most {MAX_TERM} characters.")
    return " ".join(text.split())


async def search_games(db: Database, *, text: str, now: datetime) -> bytes:
    """
    Return the games in stock whose title, publisher or description holds the text.

    Never kept: a whole search is seldom another visitor's as well, and whatever anybody makes up
    would fill Redis.

    Raises:
        BadParameter: there is nothing to look for, or far too much.
    """
    term = clean_term(text)
    if not term:
        raise BadParameter("Search query is required")
    async with db.read() as reader:
        ids = await search_queries.search(reader, term=term, limit=_FOUND)
        return encode_data(await queries.list_games(reader, ids=ids, now=now))


async def suggest_games(
    db: Database, cache: Cache, *, text: str, limit: int, now: datetime
) -> bytes:
    """
    Return games that answer what was typed so far, the most relevant first.

    Raises:
        BadParameter: fewer than two characters were typed, or far too many.
    """
    term = fold(clean_term(text))
    if len(term) < 2:
        raise BadParameter("Search query must be at least 2 characters")

    async def load() -> Loaded:
        async with db.read() as reader:
            found = await search_queries.suggest(reader, term=term, limit=limit)
        return Loaded(
            encode_data([_suggestion(term, record) for record in found]) if found else None
        )

    is_kept = are_worth_keeping(term, limit=limit)
    key = SUGGESTIONS.find_key(digest=digest(term)) if is_kept else None
    return await cache.read(key, load, now=now) or EMPTY_LIST


def _suggestion(term: str, record: Record) -> Suggestion:
    return Suggestion(
        id=record["id"],
        title=record["title"],
        image=record["image"],
        slug=record["slug"],
        relevance_score=relevance(
            term,
            record["title"],
            is_best_seller=record["isBestSeller"],
            is_marked_new=record["isNew"],
        ),
    )
