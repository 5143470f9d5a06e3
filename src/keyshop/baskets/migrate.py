"""A guest's cart and wishlist become a user's."""

from datetime import datetime

import structlog

from keyshop.baskets import migration_queries as queries
from keyshop.baskets.errors import AccountGone
from keyshop.baskets.models import (
    MigratedLine,
    Migration,
    MigrationOutcome,
    MigrationReport,
    Part,
)
from keyshop.baskets.owners import MAX_ATTEMPTS, next_session_id
from keyshop.baskets.queries import lock_user
from keyshop.baskets.rules import (
    SESSION_LIFE,
    count_outcomes,
    is_session_id,
    migrate_lines,
    migrate_wishes,
)
from keyshop.baskets.settings import BasketLimits, BasketSettings
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction

_log = structlog.get_logger(__name__)


async def migrate_baskets(
    tx: Transaction,
    settings: BasketSettings,
    *,
    user_id: str,
    session_id: str | None,
    now: datetime,
    part: Part | None = None,
) -> Migration | None:
    """
    Move a guest's lines to a user, each line once, however many calls run at the same time.

    Games out of stock, and those beyond what a cart or wishlist holds, stay with the guest. Their
    session gets the id that `next_session_id` computes. It is looked up under that id as well: the
    answer with the new id may have been lost, or a later answer may have brought the old id back. A
    session without lines is deleted.

    With `part`, only the cart or only the wishlist moves, and the session keeps its id: pages
    migrate both at once, with one cookie.

    Returns None when there is no live session, or nothing of that part in it.

    The user's row is locked first and the session's second. Code that locks either of them before
    must lock in this order.

    Raises:
        AccountGone: the user was deleted.
    """
    if not session_id:
        return None
    next_id = next_session_id(settings, session_id=session_id, user_id=user_id)
    ids = [each for each in (session_id, next_id) if is_session_id(each)]
    # Signed-in pages ask for this each time they load, nearly always for nothing.
    if not await queries.has_live(tx, session_ids=ids, now=now):
        return None
    if not await lock_user(tx, user_id=user_id):
        raise AccountGone
    found = await queries.lock_live(tx, session_ids=ids, now=now)
    if found is None:
        return None
    await queries.lock_games_for_reference(tx, session_id=found)

    report = await _move(tx, user_id, found, limits=settings.limits, part=part)
    remaining = await _end_or_rename(tx, found, new_id=next_id if part is None else found, now=now)
    if not report.cart and not report.wishlist:
        return None
    _log_counts(report)
    return Migration(report=report, remaining_session_id=remaining)


async def migrate_part(
    db: Database,
    settings: BasketSettings,
    part: Part,
    *,
    user_id: str,
    session_id: str | None,
    now: datetime,
) -> Migration | None:
    """
    Move what stayed behind in a guest's cart or wishlist, as far as it can be moved now.

    Raises:
        AccountGone: the user was deleted.
    """

    async def migrate(tx: Transaction) -> Migration | None:
        return await migrate_baskets(
            tx, settings, user_id=user_id, session_id=session_id, now=now, part=part
        )

    return await db.run(migrate, attempts=MAX_ATTEMPTS)


async def _move(
    tx: Transaction,
    user_id: str,
    session_id: str,
    *,
    limits: BasketLimits,
    part: Part | None,
) -> MigrationReport:
    cart, wishes = [], []
    if part is not Part.WISHLIST:
        cart = await _move_cart(tx, user_id, session_id, limits)
    if part is not Part.CART:
        wishes = await _move_wishes(tx, user_id, session_id, limits)
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


async def _end_or_rename(
    tx: Transaction, session_id: str, *, new_id: str, now: datetime
) -> str | None:
    """Return the id under which the guest's session remains; None: it has ended."""
    if not await queries.has_lines(tx, session_id=session_id):
        await queries.delete_session(tx, session_id=session_id)
        return None
    # Session fixation: a person who planted the old id in the browser must not read this.
    await queries.rename_session(
        tx, session_id=session_id, new_id=new_id, expires=now + SESSION_LIFE
    )
    return new_id


def _log_counts(report: MigrationReport) -> None:
    _log.info(
        "baskets.migrated",
        lines=len(report.cart),
        wishes=len(report.wishlist),
        merged=report.counts.merged,
        capped=report.counts.capped,
        kept=report.counts.kept,
    )
