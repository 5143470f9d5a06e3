"""Search games by text, and suggest games while the visitor is typing."""

from datetime import datetime
from typing import Final

from asyncpg import Record

from keyshop.cache_keys import SUGGESTIONS
from keyshop.kit.cache.families import digest
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import EMPTY_LIST, encode_with_etag
from keyshop.storefront import queries, search_queries
from keyshop.storefront.errors import BadParameter
from keyshop.storefront.models import Suggestion
from keyshop.storefront.rules import fold, is_cacheable_term, relevance

MAX_TERM: Final = 200  # characters
_MAX_RESULTS: Final = 50


def clean_term(text: str) -> str:
    """
    Return the text without outer blanks, and with single blanks inside.

    Raises:
        BadParameter: the text is longer than `MAX_TERM`.
    """
    if len(text) > MAX_TERM:
        raise BadParameter(f"A search has at most {MAX_TERM} characters.")
    return " ".join(text.split())


async def search_games(db: Database, *, text: str, now: datetime) -> bytes:
    """
    Return the games in stock whose title, publisher or description contains the text.

    The answer is not cached: two visitors rarely search for the same text, and arbitrary texts
    would fill Redis.

    Raises:
        BadParameter: the text is empty or too long.
    """
    term = clean_term(text)
    if not term:
        raise BadParameter("Search query is required")
    async with db.read() as reader:
        ids = await search_queries.search(reader, term=term, limit=_MAX_RESULTS)
        return encode_with_etag(await queries.list_games(reader, ids=ids, now=now))


async def suggest_games(
    db: Database, cache: Cache, *, text: str, limit: int, now: datetime
) -> bytes:
    """
    Return games that match the text typed so far, the most relevant first.

    Raises:
        BadParameter: the text has fewer than two characters, or too many.
    """
    term = fold(clean_term(text))
    if len(term) < 2:
        raise BadParameter("Search query must be at least 2 characters")

    async def load() -> Loaded:
        async with db.read() as reader:
            records = await search_queries.suggest(reader, term=term, limit=limit)
        suggestions = [_suggestion(term, record) for record in records]
        return Loaded(encode_with_etag(suggestions) if suggestions else None)

    is_cacheable = is_cacheable_term(term, limit=limit)
    key = SUGGESTIONS.find_key(digest=digest(term)) if is_cacheable else None
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
