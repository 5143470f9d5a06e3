"""
A customer places an order, and pays for it from the balance.

One transaction does all of it, or nothing. Its locks are taken in the order that docs/money.md gives:
idempotency key, user, vault keys, games, cart, promo code, `buying_state`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Final

from msgspec import Struct

from keyshop.keys.count_stock import lock_games, update_in_stock
from keyshop.keys.reveal_keys import reveal
from keyshop.keys.take_keys import take_free_keys
from keyshop.kit.database.errors import DatabaseBusy
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import enqueue
from keyshop.kit.secrets import Secret
from keyshop.orders import queries, unit_queries
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.errors import (
    BuyingPaused,
    CustomerNotFound,
    GameOutOfStock,
    GamesNotFound,
    IdempotencyKeyReused,
    KeysUnreadable,
    OrderBeingPlaced,
    OrderNotFound,
    OrderTooLarge,
    TooManyOrders,
)
from keyshop.orders.jobs import UnitDue
from keyshop.orders.mails import order_mails
from keyshop.orders.models import (
    OrderedGame,
    OrderLine,
    OrderStatus,
    RequestedItem,
    Unit,
    UnitState,
)
from keyshop.orders.queries import Claim, Event, NewItem, NewOrder
from keyshop.orders.recompute import recompute
from keyshop.orders.record_event import record_events
from keyshop.orders.rules import (
    charge_units,
    check_idempotency_key,
    has_price,
    hash_body,
    may_be_bought,
    merge_items,
)
from keyshop.orders.serve_own_stock import serve_own_stock
from keyshop.promotions.check_promo import check_promo
from keyshop.promotions.models import Promo
from keyshop.promotions.rules import clean_code, discount
from keyshop.promotions.use_promo import use_promo
from keyshop.wallet.errors import InsufficientBalance
from keyshop.wallet.ledger import lock_wallet, spend

ACTOR: Final = "customer"

_ATTEMPTS: Final = 5
_MAX_RECENT: Final = 10  # orders of one user
_RECENT: Final = timedelta(minutes=1)
_NOTHING: Final = Decimal("0.00")
_MAX_SUBTOTAL: Final = Decimal("99999999.99")  # of the column's type


class PlaceRequest(Struct, frozen=True, kw_only=True):
    """An order as a customer sends it, unchecked."""

    user_id: str
    family_id: str
    """The sign-in, and so the device, that sends it."""

    items: Sequence[RequestedItem]
    promo_code: str | None = None
    idempotency_key: str | None = None


class Placed(Struct, frozen=True, kw_only=True):
    """An order that was placed by this request, or by an earlier one with the same key."""

    order_id: str
    is_replayed: bool
    keys: Mapping[str, Secret] = {}
    """The texts of the keys that were delivered at once, by id; none where it is replayed."""

    seq: int | None = None
    """Of the delivery from own stock; None: nothing was delivered."""


class _Checked(Struct, frozen=True, kw_only=True):
    """A request whose form is right."""

    user_id: str
    family_id: str
    lines: Sequence[OrderLine]
    code: str | None
    claim: Claim

    @property
    def game_ids(self) -> list[str]:
        """The games, sorted."""
        return [line.game_id for line in self.lines]


class _Priced(Struct, frozen=True, kw_only=True):
    """A new order, its items and its units, before anything is stored."""

    order: NewOrder
    items: Sequence[NewItem]
    units: Sequence[Unit]


async def place_order(
    db: Database, parts: OrderParts, request: PlaceRequest, *, now: datetime
) -> Placed:
    """
    Place the order, take its price from the balance, and deliver what the shop has own keys for.

    A request with the same idempotency key returns the order of the first one; so does one without a
    key, for the same items, from the same device, within three seconds.

    Raises:
        Invalid: the items, the promo code or the key are wrong, a game cannot be sold, or the balance
            is too low. Nothing was taken.
        NotFound: the user or a game does not exist, or the order of the key was deleted.
        IdempotencyKeyReused: the key was used for another order.
        OrderBeingPlaced: a request with this key has been in progress for longer than the database's
            lock timeout.
        TooManyOrders: the user has placed ten orders in a minute.
        BuyingPaused: deliveries are paused after a restore of the database.
        KeysUnreadable: an own key that was taken cannot be unsealed.
        DatabaseUnavailable: as `Database.run`.
    """
    checked = _check(request, parts)

    async def work(tx: Transaction) -> Placed:
        try:
            is_first = await queries.claim(tx, checked.claim)
        except DatabaseBusy as error:
            raise OrderBeingPlaced from error
        if not is_first:
            return await _replay(tx, checked.claim)
        return await _place(tx, parts, checked, now=now)

    placed = await db.run(work, attempts=_ATTEMPTS)
    if placed.seq is not None:
        await parts.mark.raise_to(placed.seq)
    return placed


def _check(request: PlaceRequest, parts: OrderParts) -> _Checked:
    lines = merge_items(request.items, parts.limits)
    code = clean_code(request.promo_code)
    body_hash = hash_body(lines, code)
    key = request.idempotency_key
    if key is not None:
        check_idempotency_key(key)
    named = f"key {key}" if key is not None else f"device {request.family_id} {body_hash}"
    claim = Claim(
        user_id=request.user_id,
        key_digest=sha256(named.encode()).hexdigest(),
        body_hash=body_hash,
        is_implicit=key is None,
    )
    return _Checked(
        user_id=request.user_id, family_id=request.family_id, lines=lines, code=code, claim=claim
    )


async def _replay(tx: Transaction, wanted: Claim) -> Placed:
    claimed = await queries.find_claimed(tx, wanted)
    if claimed is None or claimed.order_id is None:
        raise OrderNotFound
    if claimed.body_hash != wanted.body_hash:
        raise IdempotencyKeyReused
    return Placed(order_id=claimed.order_id, is_replayed=True)


async def _place(tx: Transaction, parts: OrderParts, checked: _Checked, *, now: datetime) -> Placed:
    wallet = await lock_wallet(tx, checked.user_id)
    if wallet is None or wallet.is_erased:
        raise CustomerNotFound
    await _check_rate(tx, checked.user_id, now=now)
    games = await _get_games(tx, checked.game_ids)
    promo = None if checked.code is None else await check_promo(tx, checked.code, now=now)
    priced = _price(checked, games, promo, now=now)
    if wallet.balance < priced.order.total:
        raise InsufficientBalance

    keys = await _take_keys(tx, parts, checked.lines, games, now=now)
    order_id = priced.order.id
    await _store(tx, checked, priced, promo, now=now)
    units = await serve_own_stock(tx, priced.units, keys, actor=ACTOR, now=now)
    status = await recompute(tx, order_id, OrderStatus.PENDING, units, actor=ACTOR, now=now)
    taken_of = [game_id for game_id, taken in keys.items() if taken]
    texts: Mapping[str, Secret] = {}
    if taken_of:
        texts = await reveal(tx, parts.vault, order_id=order_id, user_id=checked.user_id, now=now)
        if len(texts) < sum(map(len, keys.values())):
            raise KeysUnreadable
        await lock_games(tx, taken_of)
        await update_in_stock(tx, taken_of, now=now)
    await queries.clear_cart(tx, checked.user_id, checked.game_ids)
    for job in order_mails(order_id, OrderStatus.PENDING, status):
        await enqueue(tx, job)
    for unit in units:
        if unit.state is UnitState.OPEN:
            await enqueue(tx, UnitDue(unit_id=unit.id))
    if promo is not None:
        await use_promo(tx, promo, order_id=order_id, now=now)
    seq = await _raise_seq(tx) if taken_of else None
    # Last of all: from here on a second click is counted. Its row is locked already.
    await queries.fulfil_claim(tx, checked.claim, order_id)
    return Placed(order_id=order_id, is_replayed=False, keys=texts, seq=seq)


async def _check_rate(tx: Transaction, user_id: str, *, now: datetime) -> None:
    # Counted under the user's lock, so that parallel orders are counted as well; refusals are not.
    orders, first = await queries.count_recent(tx, user_id, since=now - _RECENT)
    if first is not None and orders >= _MAX_RECENT:
        raise TooManyOrders(retry_after=(first + _RECENT - now).total_seconds())


async def _get_games(tx: Transaction, game_ids: Sequence[str]) -> dict[str, OrderedGame]:
    games = {game.id: game for game in await queries.list_games(tx, game_ids)}
    if len(games) < len(game_ids):
        raise GamesNotFound
    for game in games.values():
        if not has_price(game):
            raise GameOutOfStock(game.title)
    return games


def _price(
    checked: _Checked, games: Mapping[str, OrderedGame], promo: Promo | None, *, now: datetime
) -> _Priced:
    order_id = new_id()
    item_ids = {game_id: new_id() for game_id in checked.game_ids}
    # Sorted by id, as the discount is spread and as units are locked.
    owed = sorted((new_id(), line.game_id) for line in checked.lines for _ in range(line.quantity))
    subtotal = sum((games[line.game_id].price * line.quantity for line in checked.lines), _NOTHING)
    if subtotal > _MAX_SUBTOTAL:
        raise OrderTooLarge
    off = discount(subtotal, promo.percent) if promo else _NOTHING
    charged = charge_units(
        {unit_id: games[game_id].price for unit_id, game_id in owed}, subtotal - off
    )
    units = [
        Unit(
            id=unit_id,
            order_id=order_id,
            item_id=item_ids[game_id],
            user_id=checked.user_id,
            game_id=game_id,
            state=UnitState.OPEN,
            price=games[game_id].price,
            charged=charged[unit_id],
            next_at=now,
            version=0,
            vault_key_id=None,
        )
        for unit_id, game_id in owed
    ]
    items = [
        NewItem(
            id=item_ids[line.game_id],
            game_id=line.game_id,
            quantity=line.quantity,
            price=games[line.game_id].price,
            discount=sum(
                (unit.price - unit.charged for unit in units if unit.game_id == line.game_id),
                _NOTHING,
            ),
        )
        for line in checked.lines
    ]
    order = NewOrder(
        id=order_id,
        user_id=checked.user_id,
        subtotal=subtotal,
        discount=off,
        total=subtotal - off,
        promo_code=promo.code if promo else None,
    )
    return _Priced(order=order, items=items, units=units)


async def _take_keys(
    tx: Transaction,
    parts: OrderParts,
    lines: Sequence[OrderLine],
    games: Mapping[str, OrderedGame],
    *,
    now: datetime,
) -> dict[str, list[str]]:
    """Lock own keys for the lines, whose games are sorted; what is missing must be for sale elsewhere."""
    keys = {}
    for line in lines:
        game = games[line.game_id]
        keys[game.id] = await take_free_keys(tx, game.id, line.quantity)
        is_short = len(keys[game.id]) < line.quantity
        if is_short and not may_be_bought(game, parts.policy, now=now):
            raise GameOutOfStock(game.title)
    return keys


async def _store(
    tx: Transaction, checked: _Checked, priced: _Priced, promo: Promo | None, *, now: datetime
) -> None:
    """Store the order with its items and units, and take its price from the balance."""
    order = priced.order
    await queries.add_order(tx, order, now=now)
    await queries.add_placed(
        tx,
        order,
        family_id=checked.family_id,
        promo_id=promo.id if promo else None,
        now=now,
    )
    await queries.add_items(tx, order.id, priced.items)
    await unit_queries.add_units(tx, priced.units, now=now)
    entry = await spend(tx, user_id=order.user_id, amount=order.total, order_id=order.id, now=now)
    placed = Event(
        kind="order.placed",
        actor=ACTOR,
        details={"units": len(priced.units), "total": str(order.total), "transaction_id": entry.id},
    )
    await record_events(tx, order.id, [placed], now=now)


async def _raise_seq(tx: Transaction) -> int:
    seq = await queries.raise_seq(tx)
    if seq is None:
        raise BuyingPaused
    return seq
