"""Import keys that the shop bought elsewhere."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

import asyncpg
from msgspec import Struct

from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.keys import stock_queries
from keyshop.keys.add_key import KeyText, add_keys
from keyshop.keys.count_stock import lock_games, update_in_stock
from keyshop.keys.errors import BadKeyText
from keyshop.keys.models import AddOutcome, KeySource
from keyshop.keys.read_csv import CsvLine
from keyshop.keys.rules import clean_text, is_too_long
from keyshop.keys.settings import Vault
from keyshop.kit.database.errors import RETRYABLE
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.secrets import Secret

STOCK: Final = Subject("shop", "keys")
"""What operators change when they work on many keys."""

_BATCH_SIZE: Final = 500  # lines of a transaction
_MAX_ATTEMPTS: Final = 5


class LineReport(Struct, frozen=True):
    """What became of one line of a file."""

    number: int
    outcome: AddOutcome


async def import_keys(
    db: Database,
    vault: Vault,
    lines: Iterable[CsvLine],
    *,
    by: str,
    now: datetime,
    report: Callable[[LineReport], None],
) -> Counter[AddOutcome]:
    """
    Add the keys of the lines, and return how many lines had each outcome.

    500 lines are committed together and then reported. An import that was interrupted is repeated
    whole: keys that were added are then duplicates.
    """
    totals: Counter[AddOutcome] = Counter()
    remaining = iter(lines)
    while batch := list(islice(remaining, _BATCH_SIZE)):

        async def work(tx: Transaction, batch: Sequence[CsvLine] = batch) -> list[AddOutcome]:
            return await _add_batch(tx, vault, batch, by=by, now=now)

        # Another program may store one of the texts at the same moment.
        outcomes = await db.run(
            work, attempts=_MAX_ATTEMPTS, retryable=(*RETRYABLE, asyncpg.UniqueViolationError)
        )
        totals.update(outcomes)
        for line, outcome in zip(batch, outcomes, strict=True):
            report(LineReport(line.number, outcome))
    return totals


async def _add_batch(
    tx: Transaction, vault: Vault, batch: Sequence[CsvLine], *, by: str, now: datetime
) -> list[AddOutcome]:
    games = await stock_queries.lock_games(
        tx, {line.game for line in batch if line.game is not None}
    )
    faults = [_find_fault(line, games) for line in batch]
    keys = [
        KeyText(games[line.game], line.text)
        for line, fault in zip(batch, faults, strict=True)
        if fault is None and line.game is not None and line.text is not None
    ]
    added = iter(await add_keys(tx, vault, keys, source=KeySource.OWN, now=now))
    outcomes = [next(added).outcome if fault is None else fault for fault in faults]
    count = outcomes.count(AddOutcome.ADDED)
    if count:
        game_ids = {key.game_id for key in keys}
        await lock_games(tx, game_ids)
        await update_in_stock(tx, game_ids, now)
        details = {"first_line": batch[0].number, "last_line": batch[-1].number, "added": count}
        await record(tx, actor=by, action="keys.import", subject=STOCK, details=details, now=now)
    return outcomes


def _find_fault(line: CsvLine, games: dict[str, str]) -> AddOutcome | None:
    """Return why the line's key is not even tried; None: it is."""
    if line.text is None:
        return AddOutcome.UNUSABLE
    if line.game not in games:
        return AddOutcome.UNKNOWN_GAME
    if is_too_long(line.text.reveal().strip()):
        return AddOutcome.TOO_LONG
    return None if _is_usable(line.text) else AddOutcome.UNUSABLE


def _is_usable(text: Secret) -> bool:
    try:
        clean_text(text.reveal())
    except BadKeyText:
        return False
    return True
