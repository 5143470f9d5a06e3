from datetime import timedelta

import pytest

from keyshop.kit.cache.families import Family, Mode, digest

CART = Family(name="cart", pattern="user:{user}:cart", ttl=timedelta(minutes=1), group="prices")
HOME = Family(name="home", pattern="home:new", ttl=timedelta(minutes=1), group="home")


class TestFamily:
    def test_is_strict_unless_it_says_otherwise(self) -> None:
        assert CART.mode is Mode.STRICT

    def test_makes_a_key_of_its_parts(self) -> None:
        key = CART.find_key(user="alice")

        assert key is not None
        assert (key.name, key.family) == ("user:alice:cart", CART)

    def test_makes_one_key_where_there_are_no_parts(self) -> None:
        key = HOME.find_key()

        assert key is not None
        assert key.name == "home:new"

    @pytest.mark.parametrize(
        "part", ["", "a b", "a:b", "ä", "x" * 65, "a\n", "\n", "{user}", "٣", "a\x00", "\ud800"]
    )
    def test_makes_no_key_of_what_cannot_be_part_of_one(self, part: str) -> None:
        assert CART.find_key(user=part) is None

    @pytest.mark.parametrize("part", ["x" * 64, "A-b_9", digest("any text at all")])
    def test_takes_ids_and_digests(self, part: str) -> None:
        assert CART.find_key(user=part) is not None


class TestDigest:
    def test_is_short_and_always_the_same(self) -> None:
        assert digest("the-witcher") == digest("the-witcher")
        assert digest("the-witcher") != digest("The-Witcher")
        assert len(digest("")) == 32

    def test_takes_whatever_a_visitor_can_send(self) -> None:
        assert len(digest("\ud800 \x00 😀")) == 32
