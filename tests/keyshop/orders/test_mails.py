"""The mails about orders: when there is one, and what it says."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace

from keyshop.accounts.models import Account
from keyshop.gateways.mail.render import render
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.mail.protocol import Mail
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.errors import GameOutOfStock
from keyshop.orders.jobs import MailOrder, MailUnitRefunded
from keyshop.orders.mails import compose, order_mails
from keyshop.orders.models import BuyingPolicy, OrderStatus, RequestedItem
from keyshop.orders.place import PlaceRequest, place_order
from keyshop.orders.settings import Seller
from tests.factories.customers import count, select_rows
from tests.factories.games import NOON, make_game
from tests.factories.order_parts import order_parts
from tests.factories.orders import stock_game
from tests.factories.promos import make_promo
from tests.factories.sessions import add_user
from tests.factories.vault import stock_keys
from tests.factories.wallet import give
from tests.servers import Postgres, copied_database

URL = "https://shop.example/"
SELLER = Seller(name="Games Ltd", address="1 Long Street\n12345 Town", vat_note="No VAT is due.")
PENDING, PROCESSING, COMPLETED, FAILED, CANCELLED = (
    OrderStatus.PENDING,
    OrderStatus.PROCESSING,
    OrderStatus.COMPLETED,
    OrderStatus.FAILED,
    OrderStatus.CANCELLED,
)


@pytest_asyncio.fixture(scope="module")
async def db(postgres_server: Postgres, template_database: str) -> AsyncIterator[Database]:
    """One database for all tests of this file: none of them sees another one's customers."""
    async with copied_database(postgres_server, template_database) as url:
        database = Database(url, guard=RedisCommitGuard(None))
        await database.open()
        yield database
        await database.close()


@pytest.fixture
def parts() -> OrderParts:
    """Return those of a shop that would buy keys, so that orders can be open."""
    return replace(order_parts(), policy=BuyingPolicy(buying_open=True), seller=SELLER)


@pytest_asyncio.fixture
async def alice(db: Database) -> Account:
    alice = await add_user(db)
    await give(db, alice.id, "1000.00")
    return alice


async def place(
    db: Database,
    parts: OrderParts,
    account: Account,
    items: Mapping[str, int],
    *,
    promo: str | None = None,
) -> str:
    request = PlaceRequest(
        user_id=account.id,
        family_id="device",
        items=[RequestedItem(game_id=game, quantity=number) for game, number in items.items()],
        promo_code=promo,
        idempotency_key=new_id(),
    )
    return (await place_order(db, parts, request, now=NOON)).order_id


async def supplied_game(db: Database, **columns: Any) -> str:
    """Store a game that the shop would have to buy, and return its id."""
    theirs = {"slug": new_id(), "g2aStock": True, "g2aProductId": new_id(), "price": Decimal(10)}
    return await make_game(db, **(theirs | columns))


async def units_of(db: Database, order_id: str) -> list[str]:
    sql = "SELECT id FROM keyshop.order_units WHERE order_id = $1 ORDER BY id"
    return [row["id"] for row in await select_rows(db, sql, order_id)]


async def mail_jobs(db: Database, order_id: str) -> list[MailOrder]:
    """Return the waiting mails of the order."""
    waiting = await select_rows(
        db, "SELECT payload FROM keyshop.pgqueuer WHERE entrypoint = 'mail_order' ORDER BY id"
    )
    jobs = [msgspec.json.decode(row["payload"], type=MailOrder) for row in waiting]
    return [job for job in jobs if job.order_id == order_id]


async def refund(
    db: Database, unit_ids: list[str], *, status: OrderStatus, now=NOON, amount="10.00"
) -> None:
    """Leave the rows that a refund of these units leaves."""
    async with db.transaction() as tx:
        for unit_id in unit_ids:
            order_id = await tx.fetchval(
                """UPDATE keyshop.order_units SET state = 'REFUNDED', next_at = NULL
                WHERE id = $1 RETURNING order_id""",
                unit_id,
            )
            entry = new_id() if Decimal(amount) else None
            await tx.execute(
                "INSERT INTO keyshop.refunds VALUES ($1, $2, $3, $4, $5, 'r', true, 'olga', $6)",
                *(new_id(), order_id, unit_id, entry, Decimal(amount), now),
            )
        await tx.execute(
            "UPDATE keyshop.vault_keys SET state = 'revoked' WHERE unit_id = ANY($1)", unit_ids
        )
        await tx.execute(
            'UPDATE orders SET status = $2::text::"OrderStatus" WHERE id = $1', order_id, status
        )


async def reveals_of(db: Database, account: Account) -> int:
    sql = "SELECT count(*) AS shown FROM keyshop.key_reveals WHERE user_id = $1"
    [row] = await select_rows(db, sql, account.id)
    return int(row["shown"])


async def forget_reveals(db: Database, account: Account) -> None:
    """Forget what the answer to placing has shown."""
    async with db.transaction() as tx:
        await tx.execute("DELETE FROM keyshop.key_reveals WHERE user_id = $1", account.id)


def keys_in(mail: Mail | None) -> dict[str, list[str]]:
    """Return the texts of the mail's keys by the games' titles."""
    assert mail is not None
    return {
        str(line["title"]): [key.reveal() for key in line["key_texts"] if not isinstance(key, str)]
        for line in mail.lines
    }


class TestOrderMails:
    @pytest.mark.parametrize(
        ("before", "after", "refunded", "kinds"),
        [
            (PENDING, PROCESSING, [], ["placed"]),
            (PENDING, COMPLETED, [], ["final"]),
            (PROCESSING, PROCESSING, [], []),
            (PROCESSING, COMPLETED, [], ["final"]),
            (PROCESSING, COMPLETED, ["u2", "u1"], ["final"]),
            (PROCESSING, CANCELLED, ["u1"], ["final"]),
            (PROCESSING, FAILED, ["u1"], ["final"]),
            (PROCESSING, PROCESSING, ["u2", "u1"], ["refunded u1"]),
            (COMPLETED, COMPLETED, ["u1"], ["refunded u1"]),
            (COMPLETED, CANCELLED, ["u2", "u1"], ["refunded u1"]),
        ],
    )
    def test_are_one_for_each_change_that_matters_to_the_customer(
        self, before: OrderStatus, after: OrderStatus, refunded: list[str], kinds: list[str]
    ) -> None:
        jobs = order_mails("o", before, after, refunded=refunded)

        assert kinds == [
            job.kind if isinstance(job, MailOrder) else f"refunded {job.unit_id}"
            for job in jobs
            if isinstance(job, MailOrder | MailUnitRefunded)
        ]

    def test_are_jobs_that_name_ids_alone(self) -> None:
        [job] = order_mails("o", PENDING, COMPLETED)

        assert msgspec.to_builtins(job) == {"order_id": "o", "kind": "final"}


class TestPlacing:
    async def test_enqueues_the_final_mail_alone_where_all_keys_were_delivered(
        self, db, parts, alice
    ) -> None:
        order_id = await place(db, parts, alice, {await stock_game(db, 2): 2})

        assert await mail_jobs(db, order_id) == [MailOrder(order_id, "final")]

    async def test_enqueues_the_confirmation_where_a_key_is_missing(self, db, parts, alice) -> None:
        own, theirs = await stock_game(db, 1), await supplied_game(db)
        order_id = await place(db, parts, alice, {own: 1, theirs: 1})

        assert await mail_jobs(db, order_id) == [MailOrder(order_id, "placed")]

    async def test_that_is_refused_enqueues_nothing(self, db, parts, alice) -> None:
        game = await stock_game(db, 1)
        before = await count(db, "keyshop.pgqueuer")

        with pytest.raises(GameOutOfStock):
            await place(db, parts, alice, {game: 2})

        assert await count(db, "keyshop.pgqueuer") == before


class TestFinalMail:
    async def test_has_the_keys_of_each_game(self, db, parts, alice) -> None:
        hunt = await stock_game(db, 2, title="Witch Hunt")
        maze = await stock_game(db, 1, title="Maze", price="2.50")
        order_id = await place(db, parts, alice, {hunt: 2, maze: 1})
        await forget_reveals(db, alice)

        mail = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)

        assert mail is not None
        assert (mail.id, mail.to) == (f"order-{order_id}-final", alice.email)
        assert {title: sorted(keys) for title, keys in keys_in(mail).items()} == {
            "Witch Hunt": [f"{hunt}-00000", f"{hunt}-00001"],
            "Maze": [f"{maze}-00000"],
        }
        assert await reveals_of(db, alice) == 3
        rendered = render(mail)
        assert rendered.subject == f"The keys of your order {order_id[:8]}"
        for written in (rendered.text, rendered.html):
            for shown in ("Hello Alice,", f"{hunt}-00001", "22.50 EUR", "2026-06-15", "Games Ltd"):
                assert shown in written

    async def test_shows_the_discount(self, db, parts, alice) -> None:
        promo = await make_promo(db, discount=Decimal(10))
        game = await stock_game(db, 2)
        order_id = await place(db, parts, alice, {game: 2}, promo=promo.code)

        mail = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)

        assert mail is not None
        amounts = [mail.values[name] for name in ("subtotal", "discount", "total", "refunded")]
        assert amounts == ["20.00", "2.00", "18.00", ""]

    async def test_says_what_was_refunded_and_shows_no_revoked_key(self, db, parts, alice) -> None:
        game = await stock_game(db, 2, title="Witch Hunt")
        order_id = await place(db, parts, alice, {game: 2})
        before = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)
        units = await units_of(db, order_id)
        await refund(db, units[:1], status=COMPLETED)
        await forget_reveals(db, alice)

        mail = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)

        [left] = keys_in(mail)["Witch Hunt"]
        assert left in keys_in(before)["Witch Hunt"]
        assert await reveals_of(db, alice) == 1
        assert mail is not None
        assert mail.values["refunded"] == "10.00"
        assert [(line["refunded"], line["missing"]) for line in mail.lines] == [("1", "")]
        assert "refunded in part: 10.00 EUR" in render(mail).text

    @pytest.mark.parametrize("status", [CANCELLED, FAILED])
    async def test_of_a_refunded_order_has_no_keys(self, db, parts, alice, status) -> None:
        game = await stock_game(db, 2)
        order_id = await place(db, parts, alice, {game: 2})
        await refund(db, await units_of(db, order_id), status=status)

        mail = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)

        assert mail is not None
        assert (mail.values["status"], mail.values["refunded"]) == (status, "20.00")
        assert [line["key_texts"] for line in mail.lines] == [[]]
        assert "20.00 EUR are on your balance again" in render(mail).text

    async def test_of_an_order_that_cost_nothing_gives_nothing_back(self, db, parts, alice) -> None:
        game = await stock_game(db, 1, price="0.00")
        order_id = await place(db, parts, alice, {game: 1})
        await refund(db, await units_of(db, order_id), status=CANCELLED, amount="0.00")

        mail = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)

        assert mail is not None
        text = render(mail).text
        assert "Refunded: 1 of 1" in text
        assert "balance again" not in text

    async def test_says_that_a_key_cannot_be_shown(self, db, parts, alice) -> None:
        game = await stock_game(db, 2, title="Witch Hunt")
        order_id = await place(db, parts, alice, {game: 2})
        async with db.transaction() as tx:
            await tx.execute(
                """UPDATE keyshop.vault_keys SET ciphertext = '' WHERE id IN (
                    SELECT id FROM keyshop.vault_keys WHERE order_id = $1 LIMIT 1)""",
                order_id,
            )

        mail = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)

        assert mail is not None
        assert len(keys_in(mail)["Witch Hunt"]) == 1
        assert "Not shown here: 1 of 2" in render(mail).text

    async def test_has_the_keys_that_another_application_delivered(self, db, parts, alice) -> None:
        game = await make_game(db, slug=new_id(), title="Witch Hunt")
        order_id = new_id()
        async with db.transaction() as tx:
            await tx.execute(
                """INSERT INTO orders (id, "userId", status, subtotal, total)
                VALUES ($1, $2, 'COMPLETED', 5, 5)""",
                *(order_id, alice.id),
            )
            await tx.execute(
                """INSERT INTO order_items (id, "orderId", "gameId", price) VALUES ($1, $2, $3, 5)""",
                *(new_id(), order_id, game),
            )
            await tx.execute(
                """INSERT INTO game_keys (id, "gameId", key, "orderId") VALUES ($1, $2, $3, $4)""",
                *(new_id(), game, f"OLD-{game}", order_id),
            )

        mail = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)

        assert keys_in(mail) == {"Witch Hunt": [f"OLD-{game}"]}

    async def test_keeps_a_key_of_several_lines(self, db, parts, alice) -> None:
        game = await supplied_game(db, title="Witch Hunt")
        text = f"-----BEGIN-----\n{game}  {game}\n-----END-----"
        await stock_keys(db, parts.vault, game, [text])
        order_id = await place(db, parts, alice, {game: 1})

        mail = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)

        assert keys_in(mail) == {"Witch Hunt": [text]}

    async def test_again_has_an_id_of_its_own(self, db, parts, alice) -> None:
        order_id = await place(db, parts, alice, {await stock_game(db, 1): 1})

        ids = []
        for copy in (0, 1, 2):
            mail = await compose(db, parts, MailOrder(order_id, "final", copy), URL, now=NOON)
            assert mail is not None
            ids.append(mail.id)

        first = f"order-{order_id}-final"
        assert ids == [first, f"{first}-1", f"{first}-2"]


class TestMailOfAnOpenOrder:
    @pytest.mark.parametrize("kind", ["placed", "waiting"])
    async def test_has_no_keys(self, db, parts, alice, kind: Any) -> None:
        theirs = await supplied_game(db, title="Witch Hunt")
        own = await stock_game(db, 1, title="Maze")
        order_id = await place(db, parts, alice, {theirs: 2, own: 1})
        await forget_reveals(db, alice)

        mail = await compose(db, parts, MailOrder(order_id, kind), URL, now=NOON)

        assert mail is not None
        assert (mail.id, mail.template) == (f"order-{order_id}-{kind}", f"order_{kind}")
        assert keys_in(mail) == {"Witch Hunt": [], "Maze": []}
        assert [line["quantity"] for line in mail.lines if line["title"] == "Witch Hunt"] == ["2"]
        assert await reveals_of(db, alice) == 0
        assert "30.00 EUR" in render(mail).text

    @pytest.mark.parametrize("kind", ["placed", "waiting"])
    async def test_is_not_needed_once_the_order_is_final(self, db, parts, alice, kind: Any) -> None:
        order_id = await place(db, parts, alice, {await stock_game(db, 1): 1})

        assert await compose(db, parts, MailOrder(order_id, kind), URL, now=NOON) is None

    async def test_is_no_final_mail(self, db, parts, alice) -> None:
        order_id = await place(db, parts, alice, {await supplied_game(db): 1})

        assert await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON) is None


class TestMailOfARefund:
    async def test_names_what_was_refunded_together(self, db, parts, alice) -> None:
        hunt = await stock_game(db, 3, title="Witch Hunt")
        maze = await stock_game(db, 1, title="Maze")
        order_id = await place(db, parts, alice, {hunt: 3, maze: 1})
        units = await units_of(db, order_id)
        await refund(db, units[:1], status=COMPLETED)
        later = NOON + timedelta(milliseconds=1)
        await refund(db, units[1:], status=CANCELLED, now=later, amount="9.50")

        mail = await compose(db, parts, MailUnitRefunded(units[1]), URL, now=NOON)

        assert mail is not None
        assert (mail.id, mail.to) == (f"unit-{units[1]}-refunded", alice.email)
        assert sum(int(str(line["quantity"])) for line in mail.lines) == 3
        assert mail.values["refunded"] == "28.50"
        rendered = render(mail)
        assert rendered.subject == f"A refund for your order {order_id[:8]}"
        assert "28.50 EUR are on your balance again" in rendered.text
        assert "no longer yours to use" in rendered.text

    async def test_of_an_open_unit_mentions_no_key(self, db, parts, alice) -> None:
        order_id = await place(db, parts, alice, {await supplied_game(db): 2})
        [unit, _] = await units_of(db, order_id)
        await refund(db, [unit], status=PROCESSING)

        mail = await compose(db, parts, MailUnitRefunded(unit), URL, now=NOON)

        assert mail is not None
        assert "no longer yours" not in render(mail).text

    async def test_is_sent_though_another_program_has_deleted_the_order(
        self, db, parts, alice
    ) -> None:
        order_id = await place(db, parts, alice, {await supplied_game(db, title="Maze"): 1})
        [unit] = await units_of(db, order_id)
        await refund(db, [unit], status=CANCELLED)
        async with db.transaction() as tx:
            await tx.execute("DELETE FROM orders WHERE id = $1", order_id)

        mail = await compose(db, parts, MailUnitRefunded(unit), URL, now=NOON)

        assert mail is not None
        assert [line["title"] for line in mail.lines] == ["Maze"]

    async def test_is_not_needed_for_a_unit_that_was_not_refunded(self, db, parts, alice) -> None:
        order_id = await place(db, parts, alice, {await supplied_game(db): 1})
        [unit] = await units_of(db, order_id)

        assert await compose(db, parts, MailUnitRefunded(unit), URL, now=NOON) is None
        assert await compose(db, parts, MailUnitRefunded("unknown"), URL, now=NOON) is None


class TestMailOfAnOrder:
    @pytest.mark.parametrize("fate", ["erased", "deleted"])
    async def test_is_not_composed_for_a_customer_who_is_gone(
        self, db, parts, alice, fate: str
    ) -> None:
        order_id = await place(db, parts, alice, {await stock_game(db, 2): 2})
        [unit, _] = await units_of(db, order_id)
        await refund(db, [unit], status=COMPLETED)
        await forget_reveals(db, alice)
        sql = (
            "DELETE FROM users WHERE id = $1"
            if fate == "deleted"
            else "UPDATE users SET email = 'erased-' || id || '@erased.invalid' WHERE id = $1"
        )
        async with db.transaction() as tx:
            await tx.execute(sql, alice.id)

        for job in (MailOrder(order_id, "final"), MailUnitRefunded(unit)):
            assert await compose(db, parts, job, URL, now=NOON) is None
        assert await reveals_of(db, alice) == 0

    async def test_is_not_composed_for_an_unknown_order(self, db, parts) -> None:
        for kind in ("placed", "final", "waiting"):
            assert await compose(db, parts, MailOrder("unknown", kind), URL, now=NOON) is None

    async def test_goes_to_the_address_that_the_customer_has_now(self, db, parts, alice) -> None:
        order_id = await place(db, parts, alice, {await stock_game(db, 1): 1})
        async with db.transaction() as tx:
            await tx.execute(
                "UPDATE users SET email = $2 WHERE id = $1", alice.id, f"new-{alice.id}@example.com"
            )

        mail = await compose(db, parts, MailOrder(order_id, "final"), URL, now=NOON)

        assert mail is not None
        assert mail.to == f"new-{alice.id}@example.com"
