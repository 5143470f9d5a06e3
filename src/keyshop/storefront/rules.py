"""Decisions about what visitors see and what is cached, without any I/O."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from string import ascii_lowercase, ascii_uppercase
from typing import Final

from keyshop.storefront.models import CatalogueFilter, CatalogueQuery, Game

DEFAULT_PAGE_SIZE: Final = 36
"""Games on a page of the catalogue."""

DEFAULT_SIMILAR: Final = 10
"""Similar games below a game."""

DEFAULT_SUGGESTIONS: Final = 10
"""Suggestions while the visitor is typing."""

NEW_PERIOD: Final = timedelta(days=14)

# Cached pages of each sort order, of the whole catalogue and of one genre or platform. A shop with 50
# genres and platforms has at most some 1,600 of them in Redis, each of 36 games.
_MAX_CACHED_PAGES: Final = 10
_MAX_CACHED_PAGES_OF_NAME: Final = 3

# Terms of two or three plain letters: 18,252, of which few match any title.
_is_short_term: Final = re.compile("[a-z]{2,3}").fullmatch

_MAX_RELEASE_DATE: Final = datetime.max.replace(tzinfo=UTC) - NEW_PERIOD

_FOLD: Final = str.maketrans(ascii_uppercase, ascii_lowercase)

AUTOCOMPLETE_EXACT: Final = 1.0
AUTOCOMPLETE_PREFIX: Final = 0.9
AUTOCOMPLETE_PART: Final = 0.7
AUTOCOMPLETE_DESCRIPTION: Final = 0.5


def new_since(now: datetime) -> datetime:
    """Return the earliest release date of a game that counts as new."""
    return now - NEW_PERIOD


def is_new(released: datetime, *, now: datetime) -> bool:
    """Test whether the game was released lately, or is not released yet."""
    return released >= new_since(now)


def valid_until(games: Iterable[Game]) -> datetime | None:
    """
    Return the last moment at which an answer with these games is right, if no game changes.

    None: always. At that moment the oldest of the new games stops being new.
    """
    # Dates in this format sort as text in the order of time.
    first = min((game.release_date for game in games if game.is_new), default=None)
    if first is None:
        return None
    released = datetime.fromisoformat(first)
    return released + NEW_PERIOD if released <= _MAX_RELEASE_DATE else None


def fold(name: str) -> str:
    """
    Return a genre's name, or a search term, in the spelling that cache keys and queries use.

    Only ASCII letters become lower case. For other letters, the result depends on the database.
    """
    return name.translate(_FOLD)


def is_cacheable(query: CatalogueQuery) -> bool:
    """
    Test whether this page of the catalogue is cached: the first pages, in every sort order.

    Arbitrary values (texts, prices, sizes, combinations) are read from the database, so that
    requests cannot fill Redis. A name that does not exist has an empty page, which is cached for
    seconds only.
    """
    if query.page_size != DEFAULT_PAGE_SIZE:
        return False
    filters = query.filters
    names = len(filters.genres) + len(filters.platforms)
    cacheable = CatalogueFilter(
        in_stock_only=filters.in_stock_only, genres=filters.genres, platforms=filters.platforms
    )
    if names > 1 or filters != cacheable:
        return False
    return query.page <= (_MAX_CACHED_PAGES_OF_NAME if names else _MAX_CACHED_PAGES)


def is_cacheable_term(term: str, *, limit: int) -> bool:
    """
    Test whether the suggestions for this term are cached: those for two or three plain letters.

    Every longer term begins with one of these, and they cost most: 20 to 70 ms each in a catalogue
    of 100,000 games. There are too many longer terms to cache.
    """
    return limit == DEFAULT_SUGGESTIONS and _is_short_term(term) is not None


def relevance(term: str, title: str, *, is_best_seller: bool, is_marked_new: bool) -> float:
    """
    Return how well a game matches the term, from 0 to 1.

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
    # Sums of tenths as floats have rounding errors in distant digits.
    return round(min(score, 1.0), 2)


def page_count(total: int, page_size: int) -> int:
    """Return how many pages the games fill; 0 when there are none."""
    return -(-total // page_size)
