"""Versions of games are read from answers, and counts from /metrics."""

from decimal import Decimal
from random import Random

import msgspec

from tests.consistency.extract import versions_in
from tests.consistency.keys import KEYS
from tests.consistency.known_answers import KnownAnswers, ask_if_unchanged
from tests.consistency.metrics import parse_cache_reads
from tests.consistency.requests import Request

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def game(id_: str, price: str, *, description: str = "Nothing to add.") -> dict[str, object]:
    return {
        "id": id_,
        "title": "A Game",
        "description": description,
        "price": Decimal(price),
        "tags": [],
    }


def answer(data: object) -> bytes:
    return _ENCODER.encode({"success": True, "data": data})


class TestVersionsIn:
    def test_reads_the_price_in_cents(self):
        body = answer(game(KEYS[0].id, "12.30"))

        assert list(versions_in(body)) == [(0, 1230)]

    def test_reads_every_watched_game_of_a_list_and_no_other(self):
        games = [game(KEYS[3].id, "0.02"), game("another", "7.00"), game(KEYS[1].id, "1.00")]

        assert list(versions_in(answer(games))) == [(3, 2), (1, 100)]

    def test_ignores_fields_that_a_description_imitates(self):
        body = answer(game(KEYS[0].id, "12.30", description='"price":99.99,"id":"chk-foreign1"'))

        assert list(versions_in(body)) == [(0, 1230)]


class TestParseCacheReads:
    def test_counts_each_family_by_outcome(self):
        text = """
# TYPE keyshop_cache_reads_total counter
keyshop_cache_reads_total{family="game",outcome="hit"} 12.0
keyshop_cache_reads_total{family="home",outcome="hit"} 3.0
keyshop_cache_reads_total{family="home",outcome="miss"} 1.0
"""

        assert parse_cache_reads(text) == {
            "game": {"hit": 12},
            "home": {"hit": 3, "miss": 1},
        }

    def test_finds_nothing_in_a_shop_without_a_cache(self):
        assert not parse_cache_reads("keyshop_http_requests_total 3.0\n")


class TestKnownAnswers:
    def test_are_named_in_half_of_the_requests(self):
        known, request = (
            KnownAnswers(Random(1)),
            Request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, 0),
        )
        answer = b'HTTP/1.1 200 OK\r\nETag: "abc"\r\n\r\n{}'

        known.remember(request, answer)
        named = [one for one in (known.choose(request) for _ in range(100)) if one]

        assert 30 < len(named) < 70
        assert {one.answer for one in named} == {answer}
        assert ask_if_unchanged(request, named[0]) == (
            b'GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: "abc"\r\n\r\n'
        )

    def test_without_an_entity_tag_are_not_kept(self):
        known, request = KnownAnswers(Random(1)), Request(b"GET / HTTP/1.1\r\n\r\n", 0, 0)

        known.remember(request, b'HTTP/1.1 200 OK\r\nA: b\r\n\r\n\r\netag: "of a body"\r\n')

        assert not [one for one in (known.choose(request) for _ in range(100)) if one]
