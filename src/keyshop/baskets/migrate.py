"""A guest's cart and wishlist become a user's."""

from collections.abc import Collection
from datetime import datetime

import structlog

from keyshop.baskets import migration_queries as queries
from keyshop.baskets.errors import AccountGone
from keyshop.baskets.models import (
    BOTH,
    BasketLimits,
    MigratedLine,
    Migration,
    MigrationOutcome,
    MigrationReport,
    Part,
)
from keyshop.baskets.owners import ATTEMPTS
from keyshop.baskets.queries import lock_user
from keyshop.baskets.rules import (
    SESSION_LIFE,
    count_outcomes,
    is_session_id,
    migrate_lines,
    migrate_wishes,
)
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction

_log = structlog.get_logger(__name__)


async def migrate_baskets(
    tx: Transaction,
    *,
    user_id: str,
    session_id: str | None,
    limits: BasketLimits,
    now: datetime,
    parts: Collection[Part] = BOTH,
    successor: str | None = None,
    rename: bool = True,
) -> Migration | None:
    """
    Move what a guest has to a user, each line once, whoever else tries it at the same time.

    Games out of stock, and those beyond what a cart or wishlist holds, stay with the guest; their
    session goes on under the id `successor`, if there is one and unless `rename` is false. There
    they are looked for in any case, since the answer that told the new id may have been lost, or a
    later one may have told the old id again. A session with nothing left is deleted.
    None: there is no such live session, or nothing of these parts in it.

    The user's row is locked first and the session's after it; whoever holds a lock on either
    before must do so in this order.

    Raises:
        AccountGone: the user was deleted.
    """
    ids = [each for each in (session_id, successor) if each and is_session_id(each)]
    # Signed-in pages ask for this each time they load, nearly always for nothing.
    if not await queries.has_live(tx, session_ids=ids, now=now):
        return None
    if not await lock_user(tx, user_id=user_id):
        raise AccountGone
    found = await queries.lock_live(tx, session_ids=ids, now=now)
    if found is None:
        return None
    await queries.lock_games_for_reference(tx, session_id=found)

    report = await _move(tx, user_id, found, limits=limits, parts=parts)
    goes_on = (successor if rename else None) or found
    left_as = await _leave(tx, found, successor=goes_on, now=now)
    if not report.cart and not report.wishlist:
        return None
    _record(report)
    return Migration(report=report, session_id=left_as)


async def migrate_part(
    db: Database,
    part: Part,
    *,
    user_id: str,
    session_id: str | None,
    limits: BasketLimits,
    now: datetime,
    successor: str | None = None,
) -> Migration | None:
    """
    Move what stayed behind in a guest's cart or wishlist, as far as it can be moved now.

    The session is looked for as `migrate_baskets` does and keeps its id: pages ask for cart and
    wishlist at once, with one cookie.

    Raises:
        AccountGone: the user was deleted.
    """

    async def migrate(tx: Transaction) -> Migration | None:
        return await migrate_baskets(
            tx,
            user_id=user_id,
            session_id=session_id,
            limits=limits,
            now=now,
            parts=(part,),
            successor=successor,
            rename=False,
        )

    return await db.run(migrate, attempts=ATTEMPTS)


async def _move(
    tx: Transaction,
    user_id: str,
    session_id: str,
    *,
    limits: BasketLimits,
    parts: Collection[Part],
) -> MigrationReport:
    cart = await _move_cart(tx, user_id, session_id, limits) if Part.CART in parts else []
    wishes = await _move_wishes(tx, user_id, session_id, limits) if Part.WISHLIST in parts else []
    return MigrationReport(cart=cart, wishlist=wishes, counts=count_outcomes([*cart, *wishes]))


async def _move_cart(
    tx: Transaction, user_id: str, session_id: str, limits: BasketLimits
) -> list[MigratedLine]:
    lines = await queries.list_lines(tx, session_id=session_id, user_id=user_id)
    if not lines:
        return []
    migrated = migrate_lines(
        lines, user_lines=await queries.count_lines(tx, user_id=user_id), limits=limits
    )
    if moved := _moved(migrated):
        await queries.move_lines(
            tx,
            session_id=session_id,
            user_id=user_id,
            game_ids=moved,
            max_quantity=limits.max_quantity,
        )
    return migrated


async def _move_wishes(
    tx: Transaction, user_id: str, session_id: str, limits: BasketLimits
) -> list[MigratedLine]:
    wishes = await queries.list_wishes(tx, session_id=session_id, user_id=user_id)
    if not wishes:
        return []
    migrated = migrate_wishes(
        wishes, user_wishes=await queries.count_wishes(tx, user_id=user_id), limits=limits
    )
    if moved := _moved(migrated):
        await queries.move_wishes(tx, session_id=session_id, user_id=user_id, game_ids=moved)
    return migrated


def _moved(lines: list[MigratedLine]) -> list[str]:
    return [line.game_id for line in lines if line.outcome is not MigrationOutcome.KEPT]


async def _leave(tx: Transaction, session_id: str, *, successor: str, now: datetime) -> str | None:
    """Return the id under which the guest's session goes on; None: it has ended."""
    if not await queries.has_lines(tx, session_id=session_id):
        await queries.delete_session(tx, session_id=session_id)
        return None
    # Another id: whoever gave the visitor this one before the sign-in must not read what is left.
    await queries.rename_session(
        tx, session_id=session_id, new_id=successor, expires=now + SESSION_LIFE
    )
    return successor


def _record(report: MigrationReport) -> None:
    _log.info(
        "baskets.migrated",
        lines=len(report.cart),
        wishes=len(report.wishlist),
        merged=report.counts.merged,
        capped=report.counts.capped,
        kept=report.counts.kept,
    )
