"""Decisions about what is shown, without any I/O."""

from datetime import datetime, timedelta
from typing import Final

NEW_FOR: Final = timedelta(days=14)

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
