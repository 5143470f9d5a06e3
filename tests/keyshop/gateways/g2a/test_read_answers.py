import json
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.gateways.g2a.read_orders import read_key, read_payment, read_placed_order
from keyshop.gateways.g2a.read_products import read_page
from keyshop.gateways.g2a.values import clean_name
from keyshop.gateways.g2a.wire import MalformedResponse
from keyshop.supplier.models import Product, ProductPage, RejectedProduct
from tests.factories.canned_supplier import make_doc, make_page

SOUND = make_doc(id="10000068865999")


def read(page: object) -> ProductPage:
    return read_page(json.dumps(page).encode(), number=1)


def read_one(**fields: object) -> Product:
    page = read(make_page(make_doc(**fields)))
    assert not page.rejected
    return page.products[0]


def reject(doc: object) -> RejectedProduct:
    """Return why the doc is rejected, and check that its neighbour is not."""
    page = read(make_page(doc, SOUND))
    assert [product.id for product in page.products] == [SOUND["id"]]
    return page.rejected[0]


class TestReadPage:
    def test_understands_a_whole_product(self) -> None:
        assert read_one() == Product(
            id="10000068865001",
            name="Portal 3 Steam Key GLOBAL",
            qty=20,
            available_to_buy=True,
            min_price=Decimal("4.77"),
            retail_min_price=Decimal("6.3"),
            retail_min_base_price=Decimal(6),
            platform="Steam",
            region="GLOBAL",
            publisher="Pub",
            developer="Dev",
            categories=("Action", "Puzzle"),
            release_date=datetime(2020, 2, 3, tzinfo=UTC),
            updated_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            cover_image="https://images.example/cover.jpg",
            images=("https://images.example/1.jpg", "https://images.example/2.jpg"),
            description="",
        )

    def test_needs_no_more_than_id_name_quantity_and_the_price_field(self) -> None:
        bare = {"id": "10000068865001", "name": "Portal 3", "qty": 0, "minPrice": 0}

        page = read(make_page(bare))

        assert page.products[0].min_price is None
        assert page.products[0].images == ()
        assert page.products[0].available_to_buy

    @pytest.mark.parametrize(
        ("written", "price"),
        [
            ("9", Decimal(9)),
            ("9.10", Decimal("9.10")),
            ("0.1000000000000000055", Decimal("0.1000000000000000055")),
            ('"9.25"', Decimal("9.25")),
            ('" 9 "', Decimal(9)),
            ("1e2", Decimal(100)),
            ("99999999.99", Decimal("99999999.99")),
            ("0", None),
            ("0.00", None),
            ("-0.0", None),
            ("null", None),
            ('""', None),
        ],
    )
    def test_takes_a_price_digit_for_digit(self, written, price) -> None:
        body = json.dumps(make_page(make_doc(minPrice="HERE"))).replace('"HERE"', written)

        page = read_page(body.encode(), number=1)

        assert str(page.products[0].min_price) == str(price) or page.products[0].min_price == price

    @pytest.mark.parametrize("field", ["minPrice", "retail_min_price", "retailMinBasePrice"])
    @pytest.mark.parametrize(
        ("written", "reason"),
        [
            ("-0.01", "negative"),
            ('"-1"', "negative"),
            ('"NaN"', "not a number"),
            ("NaN", "not a number"),
            ("Infinity", "not a number"),
            ("-Infinity", "not a number"),
            ('"1_000"', "not a number"),
            ('"4,77"', "not a number"),
            ('"٣"', "not a number"),
            ("true", "not a number"),
            ("[4.77]", "not a number"),
            ("1e-99999999999999999999", "not a number"),
            ("1e999", "higher than"),
            ("100000000", "higher than"),
            ("9" * 5000, "higher than"),
            ("0.0049", "fraction of a cent"),
            ("1e-400", "fraction of a cent"),
            ("4.000000000000000000000001", "fraction of a cent"),
        ],
    )
    def test_rejects_an_invalid_price_and_keeps_the_neighbour(self, field, written, reason) -> None:
        body = json.dumps(make_page(make_doc(**{field: "HERE"}), SOUND)).replace('"HERE"', written)

        page = read_page(body.encode(), number=1)

        assert [product.id for product in page.products] == [SOUND["id"]]
        assert page.rejected[0].id == "10000068865001"
        assert field in page.rejected[0].reason
        assert reason in page.rejected[0].reason

    def test_rejects_a_product_without_the_price_field(self) -> None:
        doc = make_doc()
        del doc["minPrice"]

        assert reject(doc).reason == "The product has no field minPrice."

    @pytest.mark.parametrize(
        "found", [None, "", "abc", "1000-1", "١٢٣", -5, 1.5, True, {}, "9" * 21]
    )
    def test_rejects_a_product_without_a_usable_id(self, found) -> None:
        assert reject(make_doc(id=found)).id is None

    @pytest.mark.parametrize("found", [None, "", "  ", "\0", 7, ["Portal"]])
    def test_rejects_a_product_without_a_name(self, found) -> None:
        assert reject(make_doc(name=found)).reason == "The product has no name."

    @pytest.mark.parametrize("found", [None, "", -1, 1.5, "many", True, [], 2**31])
    def test_rejects_a_product_without_a_usable_quantity(self, found) -> None:
        assert "qty" in reject(make_doc(qty=found)).reason

    @pytest.mark.parametrize("found", ["perhaps", 2, [], 0.5])
    def test_rejects_a_product_whose_availability_is_no_boolean(self, found) -> None:
        assert "availableToBuy" in reject(make_doc(availableToBuy=found)).reason

    @pytest.mark.parametrize("doc", [None, 7, "product", [], [make_doc()]])
    def test_rejects_an_entry_that_is_no_object(self, doc) -> None:
        assert reject(doc).reason == "The entry is not a JSON object."

    @pytest.mark.parametrize(("found", "meant"), [("false", False), (0, False), ("True", True)])
    def test_reads_a_boolean_in_another_format(self, found, meant) -> None:
        assert read_one(availableToBuy=found).available_to_buy is meant

    def test_takes_an_id_and_a_quantity_of_the_other_type(self) -> None:
        product = read_one(id=10000068865001, qty="5")

        assert (product.id, product.qty) == ("10000068865001", 5)

    @pytest.mark.parametrize("written", ["5", "5.0", "5e0", "50e-1", '"5"', '"5.0"', '" 5 "'])
    def test_reads_a_number_for_what_it_is_worth(self, written) -> None:
        body = json.dumps({"total": "N", "page": 1, "docs": [make_doc(qty="N")]})

        page = read_page(body.replace('"N"', written).encode(), number=1)

        assert (page.total, page.products[0].qty) == (5, 5)

    @pytest.mark.parametrize("written", ["0", "0.0", "-0.0", "0e5", "0.000", '"0"'])
    def test_reads_no_quantity_from_every_form_of_zero(self, written) -> None:
        body = json.dumps(make_page(make_doc(qty="N"))).replace('"N"', written)

        assert read_page(body.encode(), number=1).products[0].qty == 0

    @pytest.mark.parametrize("written", ["5.5", "1e-1", "1e999999999", "2147483648.0", "-1.0"])
    def test_rejects_a_quantity_that_is_no_count(self, written) -> None:
        body = json.dumps(make_page(make_doc(qty="N"), SOUND)).replace('"N"', written)

        page = read_page(body.encode(), number=1)

        assert [product.id for product in page.products] == [SOUND["id"]]
        assert "qty" in page.rejected[0].reason

    @pytest.mark.parametrize("written", ["10000068865001.0", "1.0000068865001e13"])
    def test_reads_an_id_that_is_written_as_a_fraction(self, written) -> None:
        body = json.dumps(make_page(make_doc(id="N"))).replace('"N"', written)

        assert read_page(body.encode(), number=1).products[0].id == "10000068865001"

    def test_reads_a_boolean_that_is_written_as_a_fraction(self) -> None:
        assert not read_one(availableToBuy=0.0).available_to_buy
        assert read_one(availableToBuy=1.0).available_to_buy

    @pytest.mark.parametrize(
        ("sent", "name"),
        [
            ("Tom &amp; Jerry&#39;s", "Tom & Jerry's"),
            ("A &amp;amp; B", "A &amp; B"),
            ("Por\u200btal\ufeff 3\u00ad", "Portal 3"),
            ("\u202eevil\u202c Portal", "evil Portal"),
            ("&#8203;&#x202E;Portal", "Portal"),
            ("Poke\u0301mon", "Pok\u00e9mon"),
            ("Poke\u200d\u0301mon", "Pok\u00e9mon"),
            ("Heart \u2764\ufe0f", "Heart \u2764"),
            ("Two\n lines\u00a0and a\ttab\u2028", "Two lines and a tab"),
            ("R&D", "R&D"),
        ],
    )
    def test_reads_names_as_a_person_does(self, sent, name) -> None:
        product = read_one(name=sent, publisher=sent, categories=[{"name": sent}])

        assert (product.name, product.publisher, product.categories) == (name, name, (name,))

    @pytest.mark.parametrize("invisible", ["\u200b", "&#8203;", "\u2066\u2069", "&nbsp;", "\u3164"])
    def test_rejects_an_invisible_name(self, invisible) -> None:
        assert reject(make_doc(name=invisible)).reason == "The product has no name."

    @pytest.mark.parametrize("nothing", [None, "", []])
    def test_reads_nothing_where_nothing_was_given(self, nothing) -> None:
        fields = ["platform", "region", "images", "categories", "release_date", "updated_at"]

        product = read_one(**dict.fromkeys(fields, nothing))

        assert (product.platform, product.region) == ("", "")
        assert (product.images, product.categories) == ((), ())
        assert (product.release_date, product.updated_at) == (None, None)

    @pytest.mark.parametrize("stand_in", ["9999-12-31", "0001-01-01", "2101-01-01"])
    def test_reads_a_placeholder_as_no_release_date(self, stand_in):
        assert read_one(release_date=stand_in).release_date is None

    def test_accepts_only_http_images(self):
        product = read_one(
            coverImage="javascript:alert(1)",
            images=["data:text/html,x", "https://images.example/a.jpg", "file:///etc/passwd"],
        )

        assert (product.cover_image, product.images) == ("", ("https://images.example/a.jpg",))

    @pytest.mark.parametrize(
        "found", ["0000-00-00", "2020-13-01", "soon", "0001-01-01T00:00:00+14:00", 2020]
    )
    def test_reads_no_date_from_an_invalid_one(self, found) -> None:
        product = read_one(release_date=found, updated_at=found)

        assert (product.release_date, product.updated_at) == (None, None)

    def test_cleans_texts_for_the_database(self) -> None:
        product = read_one(
            name=" Por\0tal \ud83d 3 ",
            images=["", None, 5, "\0", " https://a "],
            description="d" * 200_000,
        )

        assert product.name == "Portal ? 3"
        assert product.images == ("https://a",)
        assert len(product.description) == 100_000

    def test_survives_broken_utf8_in_one_text(self) -> None:
        body = json.dumps(make_page(make_doc(name="Por\x01tal"), SOUND)).encode()

        page = read_page(body.replace(b"\\u0001", b"\xff"), number=1)

        assert [product.name for product in page.products] == ["Por\ufffdtal", SOUND["name"]]

    def test_reads_a_page_with_unknown_fields(self) -> None:
        assert read(make_page(make_doc(loyalty={"tier": 3})) | {"took": 5}).total == 1

    def test_reads_numbers_of_the_page_written_as_texts(self) -> None:
        assert read(make_page(SOUND, page="1", total="93")).total == 93

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b"{}",
            b"<html>",
            b"\xff\xfe",
            b'{"total":1,"page":1,"docs":[{"id":"1000',
            b'{"total":1,"page":1,"docs":[]}trailing',
            b'{"total":1,"page":1,"docs":' + b"[" * 5000,
            json.dumps(make_page(total=-1)).encode(),
            json.dumps(make_page(total="many")).encode(),
            json.dumps(make_page(total=None) | {"total": None}).encode(),
            json.dumps(make_page(SOUND, total=0)).encode(),
            json.dumps(make_page(page=2)).encode(),
            json.dumps(make_page(page="one")).encode(),
            json.dumps(make_page() | {"docs": None}).encode(),
            json.dumps(make_page() | {"docs": {"0": SOUND}}).encode(),
        ],
    )
    def test_refuses_a_malformed_page(self, body) -> None:
        with pytest.raises(MalformedResponse):
            read_page(body, number=1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
DOCS = st.fixed_dictionaries({}, optional=dict.fromkeys(make_doc(), JSON)) | JSON
SPOILT = st.sampled_from(sorted(make_doc())).flatmap(
    lambda field: JSON.map(lambda value: make_doc(**{field: value}))
)


class TestAnyName:
    @given(st.text(max_size=60))
    def test_is_unchanged_by_a_second_cleaning_once_its_entities_are_decoded(self, sent) -> None:
        name = clean_name(sent.replace("&", ""), limit=50)

        assert clean_name(name, limit=50) == name
        assert name.isprintable()
        assert unicodedata.is_normalized("NFC", name)
        assert len(name) <= 50


class TestAnyAnswer:
    @given(st.lists(DOCS | SPOILT, max_size=4))
    def test_never_yields_a_dangerous_product(self, docs) -> None:
        page = read_page(json.dumps(make_page(*docs)).encode(), number=1)

        assert len(page.products) + len(page.rejected) == len(docs)
        for product in page.products:
            assert product.id.isdigit()
            assert product.name
            assert 0 <= product.qty < 2**31
            for price in (
                product.min_price,
                product.retail_min_price,
                product.retail_min_base_price,
            ):
                assert price is None or Decimal(0) < price < Decimal(10**8)
            product.name.encode()

    @given(
        st.binary(max_size=200)
        | st.builds(
            lambda keep, put, at: keep[:at] + put + keep[at + 1 :],
            st.just(json.dumps(make_page(make_doc(), SOUND)).encode()),
            st.binary(max_size=3),
            st.integers(0, 1500),
        )
    )
    def test_is_a_page_or_malformed(self, body) -> None:
        for read_answer in (
            lambda: read_page(body, number=1),
            lambda: read_placed_order(body),
            lambda: read_payment(body),
            lambda: read_key(body),
        ):
            with suppress(MalformedResponse):
                read_answer()


class TestReadKey:
    @pytest.mark.parametrize(
        ("body", "key", "is_file"),
        [
            (b'{"key": "ABCD-EFGH"}', "ABCD-EFGH", False),
            (b'{"key": " AB\\u0000 ", "isFile": false}', " AB\0 ", False),
            (b'{"key": "https://x", "isFile": true}', "https://x", True),
            (b'{"key": 12345678901234567890.10}', "12345678901234567890.10", False),
            (b'{"key": ["A", "B"], "isFile": "true"}', '["A","B"]', True),
        ],
    )
    def test_loses_no_part_of_the_key(self, body, key, is_file) -> None:
        delivered = read_key(body)

        assert delivered.key.reveal() == key
        assert delivered.is_file is is_file
