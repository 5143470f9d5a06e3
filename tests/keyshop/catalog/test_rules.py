import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.catalog.rules import (
    MAX_PRICE,
    PriceBasis,
    choose_slug,
    loses_letters,
    shop_price,
    slugify,
    supplier_price,
)

PRICES = st.decimals(min_value=Decimal("0.005"), max_value=Decimal(90000000), places=6)
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TITLES = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="aA -é™1", max_size=300),
    st.sampled_from(["Portal", "PORTAL!", "ポータル", "ポータル 2", "...", "Ⅻ"]),
)


class TestShopPrice:
    @pytest.mark.parametrize(
        ("asked", "price"),
        [
            ("9.25", "9.44"),  # 9.435
            ("10", "10.20"),
            ("0.01", "0.01"),
            ("0.25", "0.26"),  # 0.255
            ("0.75", "0.77"),  # 0.765
            ("1.25", "1.28"),  # 1.275, which binary arithmetic rounds down
            ("99.99", "101.99"),
            ("98039215.67", "99999999.98"),
        ],
    )
    def test_is_two_percent_more_and_half_a_cent_goes_up(self, asked, price) -> None:
        assert str(shop_price(Decimal(asked))) == price

    @given(PRICES)
    def test_is_the_nearest_cent_for_every_price(self, asked) -> None:
        price = shop_price(asked)

        exact = Fraction(asked) * 102 / 100
        assert price.as_tuple().exponent == -2
        assert Fraction(-1, 200) < Fraction(price) - exact <= Fraction(1, 200)

    @given(PRICES, PRICES)
    def test_never_swaps_two_prices(self, one, other) -> None:
        assert (shop_price(one) <= shop_price(other)) or one > other


class TestSupplierPrice:
    @pytest.mark.parametrize(
        ("listed", "retail", "highest", "min_price", "only_retail"),
        [
            ("5", "6", "6", "5", "6"),
            ("6", "5", "6", "6", "5"),
            ("5", None, "5", "5", None),
            (None, "6", "6", None, "6"),
            (None, None, None, None, None),
        ],
    )
    def test_is_the_one_that_the_setting_names(
        self, listed, retail, highest, min_price, only_retail
    ) -> None:
        def price_on(basis: PriceBasis) -> Decimal | None:
            return supplier_price(
                min_price=Decimal(listed) if listed else None,
                retail_min_price=Decimal(retail) if retail else None,
                basis=basis,
            )

        found = [price_on(PriceBasis(name)) for name in ("highest", "minPrice", "retail")]
        assert found == [w and Decimal(w) for w in (highest, min_price, only_retail)]


class TestSlug:
    @pytest.mark.parametrize(
        ("title", "slug"),
        [
            ("Portal 3 Steam Key GLOBAL", "portal-3-steam-key-global"),
            ("  Pokémon™: Légendes!  ", "pokemontm-legendes"),
            ("A--B__C", "a-b-c"),
            ("ポータル", ""),
            ("!?", ""),
        ],
    )
    def test_is_readable(self, title, slug) -> None:
        assert slugify(title) == slug

    def test_of_a_long_title_ends_with_a_whole_word(self) -> None:
        slug = slugify("word " * 100)

        assert slug == "-".join(["word"] * 24)

    def test_of_one_endless_word_is_cut(self) -> None:
        assert slugify("x" * 500) == "x" * 120

    @given(TITLES, st.integers(min_value=1, max_value=10**19).map(str))
    def test_of_any_title_is_an_address(self, title, product_id) -> None:
        slug = choose_slug(title, suffix=product_id, taken=())

        assert SLUG.fullmatch(slug)
        assert slug == choose_slug(title, suffix=product_id, taken=())

    @given(st.lists(st.tuples(TITLES, st.integers(1, 99).map(str)), max_size=40), st.data())
    def test_is_never_given_twice(self, games, data) -> None:
        candidates = [f"{slugify(title)}-{id_}" for title, id_ in games]
        by_hand = data.draw(st.sets(st.sampled_from(candidates)) if candidates else st.just(set()))
        taken = set(by_hand)

        for title, product_id in games:
            slug = choose_slug(title, suffix=product_id, taken=taken)
            assert SLUG.fullmatch(slug)
            assert slug not in taken
            taken.add(slug)

    @pytest.mark.parametrize(
        ("name", "loses"),
        [
            ("RPG", False),
            ("Pokémon", False),
            ("18+ ™", False),
            ("恐怖 18+", True),
            ("冒険", True),
        ],
    )
    def test_is_known_to_lose_letters_of_other_alphabets(self, name, loses) -> None:
        assert loses_letters(name) is loses


class TestHighestPrice:
    def test_is_what_the_column_holds(self) -> None:
        assert Decimal(10**10 - 1) / 100 == MAX_PRICE
