"""Search by text, and suggestions while somebody is typing."""

from datetime import datetime
from typing import Final

from asyncpg import Record

from keyshop.kit.database import Database
from keyshop.storefront import queries
from keyshop.storefront.answer import answer
from keyshop.storefront.errors import BadParameter
from keyshop.storefront.models import Suggestion
from keyshop.storefront.rules import relevance

LONGEST_TERM: Final = 200  # characters
_FOUND: Final = 50


def clean_term(text: str) -> str:
    """
    Return what somebody typed, without the blanks around and with single ones inside.

    Raises:
        BadParameter: it is too long to be meant.
    """
    if len(text) > LONGEST_TERM:
        raise BadParameter(f"A search has at most {LONGEST_TERM} characters.")
    return " ".join(text.split())


async def search_games(db: Database, *, text: str, now: datetime) -> bytes:
    """
    Return the games in stock whose title, publisher or description holds the text.

    Raises:
        BadParameter: there is nothing to look for, or far too much.
    """
    term = clean_term(text)
    if not term:
        raise BadParameter("Search query is required")
    async with db.read() as reader:
        ids = await queries.search(reader, term=term, limit=_FOUND)
        return answer(await queries.list_games(reader, ids=ids, now=now))


async def suggest_games(db: Database, *, text: str, limit: int) -> bytes:
    """
    Return games that answer what was typed so far, the most relevant first.

    Raises:
        BadParameter: fewer than two characters were typed, or far too many.
    """
    term = clean_term(text)
    if len(term) < 2:
        raise BadParameter("Search query must be at least 2 characters")
    async with db.read() as reader:
        found = await queries.suggest(reader, term=term, limit=limit)
    return answer([_suggestion(term, record) for record in found])


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
