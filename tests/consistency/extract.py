"""Reads watched games and their versions out of an answer's bytes, without decoding it."""

import re
from collections.abc import Iterator
from typing import Final

from tests.consistency.keys import NUMBER_OF

# The id is the first field of a game. A quotation mark inside a text is escaped, so no description can
# look like the name of a field.
_GAME: Final = re.compile(rb'"id":"(chk-[a-z]+\d+)".*?"price":(\d+)\.(\d\d)', re.DOTALL)


def versions_in(body: bytes) -> Iterator[tuple[int, int]]:
    """Return number and version of every watched game in the answer, in its order."""
    for found in _GAME.finditer(body):
        number = NUMBER_OF.get(found[1])
        if number is not None:
            yield number, int(found[2] + found[3])
