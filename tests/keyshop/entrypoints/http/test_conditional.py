"""If-None-Match, as RFC 9110 defines it."""

import time
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.types import HTTPScope

from keyshop.entrypoints.http.conditional import is_unchanged

ETAG = b'"0123456789abcdef0123456789abcdef"'
OTHER = b'"fedcba9876543210fedcba9876543210"'

NAMED = [
    [ETAG],
    [b"W/" + ETAG],
    [b" \t" + ETAG + b" "],
    [OTHER + b", " + ETAG],
    [ETAG + b"," + OTHER],
    [OTHER + b' , W/"x" ,\t W/' + ETAG],
    [b", ," + ETAG + b",, "],
    [OTHER, ETAG],
    [b'"a,b", ' + ETAG],
    [b'"\xfc", "", ' + ETAG],
    [b"*"],
    [b" * "],
]
NOT_NAMED = [
    [],
    [b""],
    [b","],
    [OTHER],
    [OTHER, b"W/" + OTHER],
    [b'""'],
    # Another tag, of which ours is a part.
    [b'"x' + ETAG[1:]],
    [ETAG[:-1] + b'-gzip"'],
    [ETAG.upper()],
]
MALFORMED = [
    [ETAG.strip(b'"')],
    [ETAG[:-1]],
    [b"w/" + ETAG],
    [b"W /" + ETAG],
    [b"W/ " + ETAG],
    [ETAG + OTHER],
    [ETAG + b" " + OTHER],
    [ETAG + b"; q=1"],
    [b"x" + ETAG],
    [ETAG + b", x"],
    [b'"a b", ' + ETAG],
    [b'"\x7f", ' + ETAG],
    [b'"x' + ETAG + b'x"'],
    [ETAG + b", *"],
    [b"*, " + ETAG],
    [b"**"],
    [b"'*'"],
    [ETAG, b"nonsense"],
]


def request(*values: bytes) -> HTTPScope:
    headers = [(b"host", b"shop"), *((b"if-none-match", value) for value in values)]
    return cast("HTTPScope", {"headers": headers})


class TestIfNoneMatch:
    @pytest.mark.parametrize("values", NAMED)
    def test_that_names_the_answer_finds_it_unchanged(self, values: list[bytes]):
        assert is_unchanged(request(*values), ETAG)

    @pytest.mark.parametrize("values", NOT_NAMED)
    def test_that_names_others_finds_it_changed(self, values: list[bytes]):
        assert not is_unchanged(request(*values), ETAG)

    @pytest.mark.parametrize("values", MALFORMED)
    def test_that_is_malformed_is_ignored(self, values: list[bytes]):
        assert not is_unchanged(request(*values), ETAG)

    @given(st.lists(st.text("!#,/W*~é", max_size=6)), st.booleans())
    def test_finds_its_tag_among_any_others(self, others: list[str], is_named: bool):
        tags = [f'"{other}"'.encode("latin-1") for other in others] + [ETAG] * is_named

        assert is_unchanged(request(b", ".join(tags)), ETAG) is is_named

    @pytest.mark.parametrize(
        "part", [b'"x",', b'"', b",", b" ,\t", b'W/"",', b'"\xff" ', b'W/"a" , ', b"W/"]
    )
    def test_of_the_longest_head_takes_no_time(self, part: bytes):
        longest = part * (65_536 // len(part))

        began = time.process_time()
        assert not is_unchanged(request(longest), ETAG)
        assert not is_unchanged(request(longest + ETAG + b"!"), ETAG)
        assert time.process_time() - began < 0.2
