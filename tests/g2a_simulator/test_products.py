"""The product list: pages, filters, and the format of products."""

import pytest

from g2a_simulator.market import Market
from tests.factories.simulator_buyer import FIRST, SECOND, Clock, buying_from, code_of

DOCUMENTED = [
    "id", "name", "type", "slug", "qty", "minPrice", "retail_min_price", "retailMinBasePrice",
    "availableToBuy", "thumbnail", "smallImage", "coverImage", "images", "updated_at",
    "release_date", "region", "developer", "publisher", "platform", "priceLimit", "restrictions",
    "requirements", "videos", "categories",
]  # fmt: skip


async def everything(buyer, **query):
    products = []
    page = 1
    while docs := (await buyer.products(page=page, **query)).json()["docs"]:
        products += docs
        page += 1
    return products


class TestPages:
    async def test_have_twenty_products_in_the_order_of_their_ids(self, buyer, market):
        answer = (await buyer.products(includeOutOfStock="true")).json()

        assert list(answer) == ["total", "page", "docs"]
        assert (answer["total"], answer["page"], len(answer["docs"])) == (100, 1, 20)
        assert [each["id"] for each in answer["docs"]] == market.product_ids()[:20]

    async def test_together_show_every_product_once(self, buyer, market):
        products = await everything(buyer, includeOutOfStock="true")

        assert [each["id"] for each in products] == market.product_ids()

    async def test_past_the_end_are_empty(self, buyer):
        answer = (await buyer.products(page=400)).json()

        assert (answer["page"], answer["docs"]) == (400, [])

    @pytest.mark.parametrize("page", ["0", "-1", "501", "abc", "1.5", "", "²"])
    async def test_with_an_invalid_number_are_refused(self, buyer, page):
        assert code_of(await buyer.products(page=page)) == (400, "PR02")

    async def test_continue_past_the_ceiling_once_it_is_lifted(self, buyer, market):
        market.settings.page_ceiling = None

        assert (await buyer.products(page=501)).status_code == 200


class TestFilters:
    async def test_hide_sold_out_products_by_default(self, buyer, market):
        market.set_product(FIRST, qty=0)

        shown = await everything(buyer)
        all_of_them = await everything(buyer, includeOutOfStock="true")

        assert all(each["qty"] > 0 for each in shown)
        assert FIRST not in {each["id"] for each in shown}
        assert len(all_of_them) == 100

    async def test_select_a_range_of_prices_inclusively(self, buyer, market):
        market.set_product(FIRST, minPrice=4.35)
        market.set_product(SECOND, minPrice=4.36, qty=1)

        found = await everything(buyer, minPriceFrom=4.35, minPriceTo=4.35)
        wider = await everything(buyer, minPriceFrom=4.35, minPriceTo=4.36)

        assert FIRST in {each["id"] for each in found}
        assert SECOND not in {each["id"] for each in found}
        assert {FIRST, SECOND} <= {each["id"] for each in wider}

    async def test_split_the_catalogue_by_price_without_a_gap(self, buyer):
        cheap = await everything(buyer, minPriceTo=7.5)
        dear = await everything(buyer, minPriceFrom=7.51)

        assert len(cheap) + len(dear) == len(await everything(buyer))

    async def test_select_a_range_of_update_times(self, buyer, market, clock):
        clock.forward(3600)
        market.set_product(SECOND, qty=3)

        found = await everything(buyer, updatedAtFrom="2026-05-04 13:00:00")
        later = await everything(buyer, updatedAtFrom="2026-05-04 13:00:01")
        earlier = await everything(buyer, updatedAtTo="2026-05-04 12:59:59")

        assert [each["id"] for each in found] == [SECOND]
        assert found[0]["updated_at"] == "2026-05-04 13:00:00"
        assert later == []
        assert SECOND not in {each["id"] for each in earlier}

    async def test_select_a_minimum_quantity(self, buyer):
        found = await everything(buyer, minQty=50)

        assert found
        assert all(each["qty"] >= 50 for each in found)

    async def test_follow_every_change_at_once(self, buyer, market):
        before = (await buyer.products(minQty=5)).json()["total"]
        market.set_product(FIRST, qty=4)
        without = (await buyer.products(minQty=5)).json()["total"]
        market.set_product(FIRST, qty=6)
        after = (await buyer.products(minQty=5)).json()

        assert (without, after["total"]) == (before - 1, before)
        assert after["docs"][0]["id"] == FIRST

    async def test_find_one_product_by_its_id(self, buyer):
        answer = (await buyer.products(id=SECOND, includeOutOfStock="true")).json()

        assert answer["total"] == 1
        assert [each["id"] for each in answer["docs"]] == [SECOND]

    async def test_find_nothing_under_an_unknown_id(self, buyer):
        assert (await buyer.products(id="10000099999001")).json() == {
            "total": 0, "page": 1, "docs": [],
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({"id": "abc"}, "PR01"),
            ({"minQty": "many"}, "PR03"),
            ({"minQty": "-1"}, "PR03"),
            ({"minPriceFrom": "cheap"}, "PR04"),
            ({"minPriceFrom": "nan"}, "PR04"),
            ({"minPriceTo": "1e400"}, "PR05"),
            ({"minPriceTo": "-1"}, "PR05"),
            ({"updatedAtFrom": "yesterday"}, "BR08"),
            ({"updatedAtTo": "2026-05-04T12:00:00Z"}, "BR08"),
            ({"includeOutOfStock": "1"}, "BR08"),
        ],
    )
    async def test_with_invalid_values_are_refused(self, buyer, query, code):
        assert code_of(await buyer.products(**query)) == (400, code)


class TestProducts:
    async def test_have_the_documented_fields_in_their_order(self, buyer):
        for product in await everything(buyer):
            assert list(product) == DOCUMENTED
            assert product["slug"].endswith(f"-i{product['id']}")

    async def test_have_a_description_when_that_is_switched_on(self, buyer, market):
        market.settings.description = True

        assert list((await buyer.products()).json()["docs"][0]) == [*DOCUMENTED, "description"]

    async def test_have_prices_that_are_whole_numbers_or_fractions(self, buyer):
        prices = [each["minPrice"] for each in await everything(buyer)]

        assert {type(price) for price in prices} == {int, float}

    async def test_look_like_a_real_shop_with_its_gaps(self):
        market = Market(products=3000, seed=7)
        products = [market.product(product_id) for product_id in market.product_ids()]
        values: list[dict[str, object]] = [dict(product) for product in products]

        for name, empty in [
            ("release_date", ""), ("publisher", ""), ("coverImage", ""), ("region", ""),
            ("images", []), ("videos", []), ("categories", []), ("qty", 0),
        ]:  # fmt: skip
            gaps = sum(product[name] == empty for product in values)
            assert 0 < gaps < 1500, name
        assert len({product["name"] for product in products}) < 3000
        assert any(p["retail_min_price"] < p["minPrice"] for p in products)
        assert any(p["retail_min_price"] > p["minPrice"] for p in products)
        assert all(p["availableToBuy"] is (p["qty"] > 0) for p in products)

    async def test_share_a_category_id_under_different_names(self):
        market = Market(products=500, seed=1)
        pairs = {
            (each["id"], each["name"])
            for product_id in market.product_ids()
            for each in market.product(product_id)["categories"]
        }

        assert len({id_ for id_, _ in pairs}) < len(pairs)

    def test_are_the_same_for_the_same_seed_whatever_the_size(self):
        small, large, other = Market(50, 3), Market(500, 3), Market(50, 4)

        for product_id in small.product_ids():
            assert small.product(product_id) == large.product(product_id)
        assert small.product(FIRST) != other.product(FIRST)


class TestSandboxMode:
    async def test_shows_the_frozen_data_of_the_suppliers_sandbox(self):
        async with buying_from(Market(93, mode="sandbox")) as buyer:
            products = await everything(buyer)

        assert len(products) == 93
        assert {each["retail_min_price"] for each in products} == {9.25}
        assert {each["retailMinBasePrice"] for each in products} == {9}
        assert {each["availableToBuy"] for each in products} == {False}
        assert {(p["type"], p["region"], p["updated_at"]) for p in products} == {("", "", "")}
        assert all(20 <= each["qty"] <= 3849 for each in products)
        assert any(each["priceLimit"] == {"max": None, "min": None} for each in products)

    async def test_sells_nevertheless_and_uses_seconds_as_order_ids(self):
        clock = Clock()
        async with buying_from(Market(93, mode="sandbox", clock=clock)) as buyer:
            first = (await buyer.order()).json()["order_id"]
            second = (await buyer.order()).json()["order_id"]

        assert int(first) == int(clock.time.timestamp())
        assert int(second) == int(first) + 1


class TestChangingProducts:
    def test_changes_the_retail_prices_in_proportion(self, market):
        market.set_product(FIRST, minPrice=10, retail_min_price=12, retailMinBasePrice=11)
        market.set_product(FIRST, minPrice=5)

        product = market.product(FIRST)
        assert (product["retail_min_price"], product["retailMinBasePrice"]) == (6, 5.5)

    def test_shows_any_documented_field(self, market):
        market.set_product(FIRST, name='Tom\'s "Great" <Game>', categories=[], availableToBuy=False)

        product = market.product(FIRST)
        assert product["name"] == 'Tom\'s "Great" <Game>'
        assert product["categories"] == []
        assert product["availableToBuy"] is False
        assert list(product) == DOCUMENTED

    async def test_can_override_one_product_of_a_page_and_undo_it(self, buyer, market):
        whole = market.product(FIRST)
        market.break_product(FIRST, minPrice=-1, without=["name", "id"])

        broken = (await buyer.products()).json()["docs"][0]
        market.break_product(FIRST)

        assert broken["minPrice"] == -1
        assert "id" not in broken
        assert "name" not in broken
        assert market.product(FIRST) == whole

    async def test_adds_and_removes_products_in_the_order_of_ids(self, buyer, market):
        market.add_product("10000000001500", name="Between", qty=3)
        market.remove_product(SECOND)

        answer = (await buyer.products(includeOutOfStock="true")).json()

        assert answer["total"] == 100
        assert [each["id"] for each in answer["docs"]][:3] == [
            FIRST, "10000000001500", "10000000003001",
        ]  # fmt: skip
        assert answer["docs"][1]["name"] == "Between"

    def test_brings_a_removed_product_back_as_it_was(self, market):
        before = market.product(SECOND)
        market.remove_product(SECOND)
        market.add_product(SECOND)

        after = market.product(SECOND)
        assert {**after, "updated_at": ""} == {**before, "updated_at": ""}


class TestDrift:
    def test_is_off_unless_switched_on(self, market, clock):
        before = [market.product(each) for each in market.product_ids()]
        clock.forward(1000)
        market.catch_up()

        assert [market.product(each) for each in market.product_ids()] == before

    def test_moves_prices_and_stock_at_its_rate(self, market, clock):
        before = [market.product(each) for each in market.product_ids()]
        market.settings.drift_per_second = 2
        clock.forward(10)
        market.catch_up()

        after = [market.product(each) for each in market.product_ids()]
        changed = [b for a, b in zip(before, after, strict=True) if a != b]
        assert 10 <= len(changed) <= 20
        assert {each["updated_at"] for each in changed} == {"2026-05-04 12:00:10"}
