"""Decisions about what is shown, without any I/O."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from string import ascii_lowercase, ascii_uppercase
from typing import Final

from keyshop.storefront.models import CatalogueFilter, Game

DEFAULT_PAGE_SIZE: Final = 36
"""Games on a page of the catalogue, when nobody asks for another number."""

DEFAULT_SIMILAR: Final = 10
"""Similar games, when nobody asks for another number."""

DEFAULT_SUGGESTIONS: Final = 10
"""Suggestions while somebody is typing, when nobody asks for another number."""

NEW_FOR: Final = timedelta(days=14)

# Pages of the catalogue that are kept, of each order: in Redis some 1,600 at most in a shop of 50
# genres and platforms, each of the size of 36 games.
_KEPT_PAGES: Final = 10
_KEPT_PAGES_OF_ONE_NAME: Final = 3

# What everybody's typing begins with: 18,252 terms, of which few are in any title.
_is_beginning: Final = re.compile("[a-z]{2,3}").fullmatch

_LATEST_NEW: Final = datetime.max.replace(tzinfo=UTC) - NEW_FOR

_FOLD: Final = str.maketrans(ascii_uppercase, ascii_lowercase)

AUTOCOMPLETE_EXACT: Final = 1.0
AUTOCOMPLETE_PREFIX: Final = 0.9
AUTOCOMPLETE_PART: Final = 0.7
AUTOCOMPLETE_DESCRIPTION: Final = 0.5


def new_since(now: datetime) -> datetime:
    """Return the release date from which on a game counts as new."""
    return now - NEW_FOR


def is_new(released: datetime, *, now: datetime) -> bool:
    """Test whether the game came out lately, or has yet to come out."""
    return released >= new_since(now)


def true_until(games: Iterable[Game]) -> datetime | None:
    """
    Return the last moment at which these games are shown as they are, if nobody changes them.

    None: for ever. Lists of new games lose their oldest one at that moment, not another one.
    """
    # Dates of one form: what comes first in time comes first as text.
    first = min((game.release_date for game in games if game.is_new), default=None)
    if first is None:
        return None
    released = datetime.fromisoformat(first)
    return released + NEW_FOR if released <= _LATEST_NEW else None


def fold(name: str) -> str:
    """
    Return a genre's name, or a term, in the one spelling that is asked for, and kept.

    Only plain letters are made small here. What becomes of others depends on the database.
    """
    return name.translate(_FOLD)


def is_cacheable(wanted: CatalogueFilter, *, page: int, page_size: int) -> bool:
    """
    Test whether this page of the catalogue is kept: what visits begin with, in every order.

    Whatever anybody can make up (texts, prices, sizes, combinations) is read from the database, so
    that strangers cannot fill Redis. A name that does not exist has an empty page, which is
    remembered for seconds only.
    """
    if page_size != DEFAULT_PAGE_SIZE:
        return False
    names = len(wanted.genres) + len(wanted.platforms)
    bounded = CatalogueFilter(
        in_stock_only=wanted.in_stock_only, genres=wanted.genres, platforms=wanted.platforms
    )
    if names > 1 or wanted != bounded:
        return False
    return page <= (_KEPT_PAGES_OF_ONE_NAME if names else _KEPT_PAGES)


def are_worth_keeping(term: str, *, limit: int) -> bool:
    """
    Test whether the suggestions for this term are kept: for two or three plain letters.

    These are typed on the way to every longer term, and cost most: in a catalogue of 100,000 games
    20 to 70 ms each. Longer ones are as many as anybody can make up.
    """
    return limit == DEFAULT_SUGGESTIONS and _is_beginning(term) is not None


def relevance(term: str, title: str, *, is_best_seller: bool, is_marked_new: bool) -> float:
    """
    Return how well a game answers what was typed, from 0 to 1.

    A game whose title does not contain the term was found by its description.
    """
    term, title = term.casefold(), title.casefold()
    if title == term:
        score = AUTOCOMPLETE_EXACT
    elif title.startswith(term):
        score = AUTOCOMPLETE_PREFIX
    elif term in title:
        score = AUTOCOMPLETE_PART
    else:
        score = AUTOCOMPLETE_DESCRIPTION
    score += 0.1 * is_best_seller + 0.05 * is_marked_new
    # Sums of tenths have digits far behind the point that nobody should see.
    return round(min(score, 1.0), 2)


def page_count(total: int, page_size: int) -> int:
    """Return how many pages the games fill; none when there are no games."""
    return -(-total // page_size)
