import pytest

from keyshop import cache_keys
from keyshop.kit.cache.families import digest
from tests.keyshop.migrations.outbox import Connection, Recorded, add, game, recorded_by, take

LISTS = {"home", "catalog"}

UNPRIVILEGED_ROLE = "a_role_that_knows_nothing_of_keyshop"


@pytest.fixture
async def shop(connection: Connection) -> Connection:
    """A shop in which Alice has a cart, a wishlist, an order, and a key."""
    for name in ("witcher", "portal"):
        await add(connection, "games", id=name, slug=name)
    for table in ("genres", "platforms", "tags", "categories"):
        await add(connection, table, id=f"{table}-1", name="One", slug="one")
        await add(connection, table, id=f"{table}-2", name="Two", slug="two")
    await add(connection, "game_genres", gameId="witcher", genreId="genres-1")
    await add(connection, "game_platforms", gameId="witcher", platformId="platforms-1")
    for name in ("alice", "bob"):
        await add(connection, "users", id=name)
    await add(connection, "cart_items", userId="alice", gameId="witcher")
    await add(connection, "wishlist", userId="alice", gameId="witcher")
    await add(connection, "orders", id="alices-order", userId="alice")
    await add(connection, "order_items", id="alices-item", orderId="alices-order", gameId="portal")
    await add(
        connection,
        "game_keys",
        id="alices-key",
        gameId="portal",
        key="AAAA-BBBB",
        orderId="alices-order",
    )
    await add(connection, "game_keys", id="free-key", gameId="portal", key="CCCC-DDDD")
    await add(
        connection, "transactions", id="alices-payment", userId="alice", orderId="alices-order"
    )
    await take(connection)
    return connection


class TestAGame:
    async def test_invalidates_its_keys_and_the_groups_that_show_its_price(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE games SET price = 9 WHERE id = 'witcher'")

        assert found == [Recorded(game("witcher", "witcher"), LISTS | {"prices"})]

    async def test_invalidates_orders_when_its_title_changes(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE games SET title = 'Other' WHERE id = 'witcher'")

        assert found == [Recorded(game("witcher", "witcher"), LISTS | {"prices", "titles"})]

    async def test_invalidates_no_carts_when_its_description_changes(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE games SET description = 'New' WHERE id = 'witcher'")

        assert found == [Recorded(game("witcher", "witcher"), LISTS)]

    async def test_invalidates_nothing_when_no_value_changes(self, shop) -> None:
        assert await recorded_by(shop, "UPDATE games SET price = price, title = title") == []

    @pytest.mark.parametrize(
        "change",
        [
            '"updatedAt" = now()',
            '"g2aLastSync" = now()',
            '"g2aStock" = NOT "g2aStock"',
            "\"g2aProductId\" = '1'",
            '"ratingCritic" = 7',
            '"ratingUser" = 7',
            "languages = '{EN}'",
        ],
    )
    async def test_invalidates_nothing_for_columns_that_no_answer_shows(
        self, shop, change: str
    ) -> None:
        assert await recorded_by(shop, f"UPDATE games SET {change}") == []

    async def test_invalidates_only_the_changed_rows_of_a_statement(self, shop) -> None:
        found = await recorded_by(
            shop, "UPDATE games SET price = CASE id WHEN 'portal' THEN 1 ELSE price END"
        )

        assert found == [Recorded(game("portal", "portal"), LISTS | {"prices"})]

    async def test_invalidates_old_and_new_slug(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE games SET slug = 'other' WHERE id = 'witcher'")

        assert found == [
            Recorded(game("witcher", "witcher", "other"), LISTS | {"prices", "titles"}),
        ]

    async def test_invalidates_old_and_new_id_and_cascaded_rows(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE games SET id = 'other' WHERE id = 'witcher'")

        assert Recorded(
            game("witcher", "witcher") | {"game:other"}, LISTS | {"prices", "titles"}
        ) in (found)
        assert Recorded({"user:alice:cart"}) in found
        assert Recorded({"user:alice:wishlist"}) in found

    async def test_invalidates_lists_and_its_absence_when_it_is_new(self, shop) -> None:
        await add(shop, "games", id="new", slug="new")

        assert await take(shop) == [Recorded(game("new", "new"), LISTS)]

    async def test_invalidates_carts_when_it_is_deleted(self, shop) -> None:
        found = await recorded_by(shop, "DELETE FROM games WHERE id = 'witcher'")

        assert Recorded(game("witcher", "witcher"), LISTS | {"prices", "titles"}) in found
        assert Recorded({"user:alice:cart"}) in found
        assert Recorded({"user:alice:wishlist"}) in found

    async def test_written_by_on_conflict_is_invalidated_where_it_changed(self, shop) -> None:
        found = await recorded_by(
            shop,
            """
            INSERT INTO games (id, title, slug, description, price, image, "releaseDate",
                "updatedAt")
            VALUES ('new', '', 'new', '', 1, '', now(), now()),
                ('portal', 'A Game', 'portal', '', 1, '', now(), now())
            ON CONFLICT (id) DO UPDATE SET price = excluded.price
            """,
        )

        changed, added = found
        assert added == Recorded(game("new", "new"), LISTS)
        assert changed == Recorded(game("portal", "portal"), LISTS | {"prices"})

    async def test_skipped_by_on_conflict_invalidates_nothing(self, shop) -> None:
        found = await recorded_by(
            shop,
            """
            INSERT INTO games (id, title, slug, description, price, image, "releaseDate",
                "updatedAt")
            VALUES ('portal', 'A Game', 'portal', '', 1, '', now(), now())
            ON CONFLICT (id) DO NOTHING
            """,
        )

        assert found == []

    async def test_written_by_merge_is_invalidated_for_each_action(self, shop) -> None:
        found = await recorded_by(
            shop,
            """
            MERGE INTO cart_items AS c
            USING (VALUES ('alice', 'witcher', 5), ('bob', 'witcher', 1)) AS v (u, g, q)
            ON c."userId" = v.u AND c."gameId" = v.g
            WHEN MATCHED THEN UPDATE SET quantity = v.q
            WHEN NOT MATCHED THEN INSERT VALUES (v.u, v.g, v.q)
            """,
        )

        assert {frozenset(row.keys) for row in found} == {
            frozenset({"user:alice:cart"}),
            frozenset({"user:bob:cart"}),
        }

    async def test_written_by_copy_is_invalidated(self, shop) -> None:
        await shop.copy_records_to_table(
            "cart_items", records=[("bob", "portal", 1)], columns=["userId", "gameId", "quantity"]
        )

        assert await take(shop) == [Recorded({"user:bob:cart"})]


class TestLinks:
    @pytest.mark.parametrize(
        ("table", "groups"),
        [
            ("game_genres", LISTS),
            ("game_tags", LISTS),
            ("game_categories", LISTS),
            ("game_platforms", LISTS | {"prices"}),
        ],
    )
    async def test_invalidate_the_game_by_id_and_slug(
        self, shop, table: str, groups: set[str]
    ) -> None:
        names = table.removeprefix("game_")
        column = {"categories": "categoryId"}.get(names, f"{names[:-1]}Id")

        added = await recorded_by(shop, f"INSERT INTO {table} VALUES ('portal', '{names}-2')")
        changed = await recorded_by(
            shop,
            f"""UPDATE {table} SET "gameId" = 'witcher'
            WHERE "gameId" = 'portal' AND "{column}" = '{names}-2'""",
        )
        removed = await recorded_by(shop, f"DELETE FROM {table} WHERE \"{column}\" = '{names}-2'")

        assert added == [Recorded(game("portal", "portal"), groups)]
        assert changed == [Recorded(game("portal", "portal") | game("witcher", "witcher"), groups)]
        assert removed == [Recorded(game("witcher", "witcher"), groups)]

    @pytest.mark.parametrize(
        ("table", "groups"),
        [
            ("genres", {"games"} | LISTS),
            ("tags", {"games"} | LISTS),
            ("categories", {"games"} | LISTS),
            ("platforms", {"games", "prices"} | LISTS),
        ],
    )
    async def test_names_invalidate_all_games_unless_they_are_new(
        self, shop, table: str, groups: set[str]
    ) -> None:
        added = await recorded_by(shop, f"INSERT INTO {table} VALUES ('3', 'Three', 'three')")
        renamed = await recorded_by(shop, f"UPDATE {table} SET name = 'Four' WHERE id = '3'")
        touched = await recorded_by(shop, f"UPDATE {table} SET name = 'Four'  WHERE id = '3'")
        removed = await recorded_by(shop, f"DELETE FROM {table} WHERE id = '3'")

        assert added == [Recorded(groups={"catalog"})]
        assert renamed == [Recorded(groups=groups)]
        assert touched == []
        assert removed == [Recorded(groups=groups)]


class TestACustomer:
    async def test_invalidates_profile_and_balance_when_the_balance_changes(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE users SET balance = 5 WHERE id = 'alice'")

        assert found == [Recorded({"user:alice:profile", "user:alice:balance"})]

    async def test_invalidates_access_when_role_or_password_changes(self, shop) -> None:
        promoted = await recorded_by(shop, "UPDATE users SET role = 'ADMIN' WHERE id = 'alice'")
        locked = await recorded_by(
            shop, "UPDATE users SET \"passwordHash\" = '' WHERE id = 'alice'"
        )

        assert promoted == [Recorded({"user:alice:profile", "user:alice:access"})]
        assert locked == [Recorded({"user:alice:access"})]

    async def test_invalidates_only_what_changed_of_each_customer(self, shop) -> None:
        found = await recorded_by(
            shop,
            """UPDATE users SET balance = CASE id WHEN 'alice' THEN 5 ELSE balance END,
                "passwordHash" = CASE id WHEN 'bob' THEN '' ELSE "passwordHash" END""",
        )

        assert found == [Recorded({"user:alice:profile", "user:alice:balance", "user:bob:access"})]

    async def test_invalidates_old_and_new_id_and_cascaded_rows(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE users SET id = 'eve' WHERE id = 'alice'")

        kinds = ("profile", "balance", "access", "cart", "wishlist", "orders", "transactions")
        taken = set().union(*(row.keys for row in found))
        assert taken == {f"user:{user}:{kind}" for user in ("alice", "eve") for kind in kinds} | {
            "order:alices-order"
        }

    async def test_invalidates_everything_of_a_deleted_customer(self, shop) -> None:
        found = await recorded_by(shop, "DELETE FROM users WHERE id = 'alice'")

        kinds = ("profile", "balance", "access", "cart", "wishlist", "orders", "transactions")
        taken = set().union(*(row.keys for row in found))
        assert taken == {f"user:alice:{kind}" for kind in kinds} | {"order:alices-order"}

    async def test_is_invalidated_when_a_line_moves_to_another_customer(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE cart_items SET \"userId\" = 'bob'")

        assert found == [Recorded({"user:alice:cart", "user:bob:cart"})]

    async def test_is_invalidated_with_the_wishlist(self, shop) -> None:
        found = await recorded_by(shop, "DELETE FROM wishlist")

        assert found == [Recorded({"user:alice:wishlist"})]

    async def test_is_invalidated_with_the_transactions(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE transactions SET status = 'FAILED'")
        unseen = await recorded_by(shop, "UPDATE transactions SET \"gatewayResponse\" = '{}'")

        assert found == [Recorded({"user:alice:transactions"})]
        assert unseen == []


class TestAnOrder:
    async def test_invalidates_itself_its_owners_list_and_the_profiles_count(self, shop) -> None:
        done = await recorded_by(shop, "UPDATE orders SET status = 'COMPLETED'")
        paid = await recorded_by(shop, "UPDATE orders SET \"paymentStatus\" = 'COMPLETED'")
        unseen = await recorded_by(shop, "UPDATE orders SET \"externalOrderId\" = '1'")

        both = {"order:alices-order", "user:alice:orders"}
        assert done == [Recorded(both | {"user:alice:profile"})]
        assert paid == [Recorded(both)]
        assert unseen == []

    async def test_invalidates_old_and_new_owner(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE orders SET \"userId\" = 'bob'")

        assert found == [
            Recorded(
                {"order:alices-order"}
                | {
                    f"user:{user}:{kind}"
                    for user in ("alice", "bob")
                    for kind in ("orders", "profile")
                }
            )
        ]

    async def test_is_invalidated_with_its_items(self, shop) -> None:
        found = await recorded_by(shop, "UPDATE order_items SET quantity = 2")
        unseen = await recorded_by(shop, "UPDATE order_items SET quantity = 2")

        assert found == [
            Recorded({"order:alices-order", "user:alice:orders", "user:alice:profile"})
        ]
        assert unseen == []

    async def test_is_invalidated_with_its_keys(self, shop) -> None:
        delivered = await recorded_by(
            shop, "UPDATE game_keys SET \"orderId\" = 'alices-order' WHERE id = 'free-key'"
        )
        activated = await recorded_by(
            shop, "UPDATE game_keys SET activated = true WHERE id = 'free-key'"
        )
        taken_back = await recorded_by(shop, 'UPDATE game_keys SET "orderId" = NULL')

        assert delivered == activated == taken_back
        assert delivered == [Recorded({"order:alices-order", "user:alice:orders"})]

    async def test_is_not_invalidated_with_unsold_keys(self, shop) -> None:
        await add(shop, "game_keys", id="third-key", gameId="portal", key="EEEE")
        await shop.execute("UPDATE game_keys SET activated = true WHERE id = 'third-key'")
        await shop.execute("DELETE FROM game_keys WHERE id = 'third-key'")

        assert await take(shop) == []

    async def test_invalidates_everything_of_a_deleted_order(self, shop) -> None:
        found = await recorded_by(shop, "DELETE FROM orders")

        taken = set().union(*(row.keys for row in found))
        assert taken == {
            "order:alices-order",
            "user:alice:orders",
            "user:alice:profile",
            "user:alice:transactions",
        }


class TestTruncate:
    @pytest.mark.parametrize("source", cache_keys.SOURCES, ids=lambda source: source.table)
    async def test_invalidates_all_groups_of_the_table(
        self, shop, source: cache_keys.Source
    ) -> None:
        # Without the triggers that refuse to remove rows which are only added.
        await shop.execute("SET LOCAL session_replication_role = replica")
        found = await recorded_by(shop, f"TRUNCATE {source.table} CASCADE")

        groups = {key.family.group for key in source.keys}
        groups |= {group.name for group in source.groups}
        assert Recorded(groups=groups) in found


class TestManyRows:
    async def test_invalidate_up_to_five_hundred_keys(self, shop) -> None:
        await _add_games(shop, 500)

        found = await recorded_by(shop, "UPDATE games SET price = 3 WHERE title = 'One of many'")

        assert len(found[0].keys) == 1000  # each by its id and by its slug
        assert found[0].groups == LISTS | {"prices"}

    async def test_invalidate_the_group_beyond_that(self, shop) -> None:
        await _add_games(shop, 501)
        added = await take(shop)

        changed = await recorded_by(shop, "UPDATE games SET price = 3 WHERE title = 'One of many'")
        linked = await recorded_by(
            shop,
            """INSERT INTO game_tags SELECT id, 'tags-1' FROM games
            WHERE title = 'One of many'""",
        )
        removed = await recorded_by(shop, "DELETE FROM games WHERE title = 'One of many'")

        assert added == [Recorded(groups=LISTS | {"games"})]
        assert changed == [Recorded(groups=LISTS | {"games", "prices"})]
        assert linked == [Recorded(groups=LISTS | {"games"})]
        assert Recorded(groups=LISTS | {"games", "prices", "titles"}) in removed

    async def test_of_few_owners_are_few_keys(self, shop) -> None:
        await _add_games(shop, 600)
        await take(shop)

        found = await recorded_by(
            shop,
            """INSERT INTO cart_items ("userId", "gameId") SELECT 'bob', id FROM games
            WHERE title = 'One of many'""",
        )

        assert found == [Recorded({"user:bob:cart"})]

    async def test_of_many_orders_invalidate_the_groups_of_their_owners(self, shop) -> None:
        await shop.execute("""
            INSERT INTO orders (id, "userId", subtotal, total)
            SELECT 'many-' || number, 'bob', 1, 1 FROM generate_series(1, 501) AS number
        """)
        found = await recorded_by(
            shop,
            """INSERT INTO order_items (id, "orderId", "gameId", price)
            SELECT id, id, 'portal', 1 FROM orders WHERE id LIKE 'many-%'""",
        )

        assert found == [Recorded(groups={"titles", "profiles"})]


class TestStrangeIds:
    @pytest.mark.parametrize(
        "strange", ["", " ", "a b", "ä", "x" * 65, "a\n", "a:b", "{}", "%s", "'", "\\", "a|b"]
    )
    async def test_invalidate_no_key_and_break_nothing(self, shop, strange: str) -> None:
        assert cache_keys.GAME.find_key(id=strange) is None
        assert cache_keys.CART.find_key(user=strange) is None

        await add(shop, "games", id=strange, slug=strange)
        added = await take(shop)
        await add(shop, "game_tags", gameId=strange, tagId="tags-1")
        linked = await take(shop)
        await add(shop, "users", id=strange)
        await add(shop, "cart_items", userId=strange, gameId=strange)
        customer = await take(shop)
        both = await recorded_by(
            shop, "UPDATE games SET price = 7 WHERE id IN ($1, 'portal')", strange
        )

        slug = f"game:slug:{digest(strange)}"
        assert added == [Recorded({slug}, LISTS)]
        assert linked == [Recorded({slug}, LISTS)]
        assert customer == []
        assert both == [Recorded(game("portal", "portal", strange), LISTS | {"prices"})]

    @pytest.mark.parametrize("plain", ["a", "x" * 64, "A-b_9", "0", "-", "_"])
    async def test_are_those_without_a_cache_key(self, shop, plain: str) -> None:
        await add(shop, "users", id=plain)

        key = cache_keys.PROFILE.find_key(user=plain)
        assert key is not None
        assert key.name in (await take(shop))[0].keys

    async def test_a_slug_may_be_any_text(self, shop) -> None:
        slug = "Ünïcode / 'quoted' \U0001f600"
        await add(shop, "games", id="any", slug=slug)

        assert await take(shop) == [Recorded(game("any", slug), LISTS)]


class TestAnyWriter:
    async def test_is_recorded_with_triggers_switched_off(self, shop) -> None:
        await shop.execute("SET LOCAL session_replication_role = replica")

        found = await recorded_by(shop, "UPDATE games SET price = 9 WHERE id = 'witcher'")

        assert found == [Recorded(game("witcher", "witcher"), LISTS | {"prices"})]

    async def test_needs_no_privileges_in_schema_keyshop(self, shop) -> None:
        await shop.execute(f"CREATE ROLE {UNPRIVILEGED_ROLE}")
        await shop.execute(f"GRANT SELECT, UPDATE ON games, order_items TO {UNPRIVILEGED_ROLE}")
        await shop.execute(f"SET LOCAL ROLE {UNPRIVILEGED_ROLE}")

        await shop.execute("UPDATE games SET price = 9 WHERE id = 'witcher'")
        await shop.execute("UPDATE order_items SET quantity = 9")
        await shop.execute("RESET ROLE")

        assert [len(row.keys) for row in await take(shop)] == [2, 3]

    async def test_cannot_mislead_a_trigger_by_its_own_objects(self, shop) -> None:
        await shop.execute("CREATE TEMPORARY TABLE cache_outbox (keys text[], groups text[])")
        await shop.execute("CREATE TEMPORARY TABLE new_rows (id text, slug text)")
        await shop.execute("SET LOCAL search_path = pg_temp")

        found = await recorded_by(shop, "UPDATE public.games SET price = 9 WHERE id = 'witcher'")

        assert found == [Recorded(game("witcher", "witcher"), LISTS | {"prices"})]

    async def test_records_nothing_when_it_rolls_back(self, shop) -> None:
        savepoint = shop.transaction()
        await savepoint.start()
        await shop.execute("UPDATE games SET price = 9")
        await savepoint.rollback()

        assert await take(shop) == []

    async def test_is_one_transaction_inside_savepoints_too(self, shop) -> None:
        async with shop.transaction(), shop.transaction():
            await shop.execute("UPDATE games SET price = 9")

        same = await shop.fetchval(
            "SELECT bool_and(xid = pg_current_xact_id()) FROM keyshop.cache_outbox"
        )
        assert same is True


async def _add_games(connection: Connection, number: int) -> None:
    await connection.execute(
        """
        INSERT INTO games (id, title, slug, description, price, image, "releaseDate", "updatedAt")
        SELECT 'many-' || number, 'One of many', 'many-' || number, '', 1, '', now(), now()
        FROM generate_series(1, $1::int) AS number
        """,
        number,
    )
