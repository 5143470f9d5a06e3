from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.sync.rules import count_pages, find_incomplete_reason, plain_text

MARKUP = st.lists(
    st.sampled_from(
        ["<", ">", "<script>", "</script>", "<img onerror=x>", "&lt;", "&", '"', "a", " ", "<!--"]
    )
).map("".join)


def why(**overrides: Any) -> str | None:
    facts: dict[str, Any] = {
        "total": 60,
        "answered": 60,
        "pages": 3,
        "pages_failed": 0,
        "last_page": 500,
    }
    return find_incomplete_reason(**(facts | overrides))


class TestPlainText:
    @given(st.one_of(st.text(), MARKUP))
    def test_never_holds_a_tag(self, html) -> None:
        assert "<" not in plain_text(html)

    @pytest.mark.parametrize(
        ("html", "text"),
        [
            ("", ""),
            ("  plain  ", "plain"),
            ("<p>Fast <b>and</b> good</p>", "Fast and good"),
            ("5 < 6 &amp; 7", "5 &lt; 6 &amp; 7"),
            ("&lt;script&gt;", "&lt;script&gt;"),
            ("<style>p {}</style>Seen", "Seen"),
        ],
    )
    def test_keeps_the_text(self, html, text) -> None:
        assert plain_text(html) == text


class TestIncompleteReason:
    def test_is_none_for_a_run_that_saw_all(self) -> None:
        assert why() is None
        assert why(total=0, answered=0, pages=1) is None

    @pytest.mark.parametrize(
        ("facts", "reason"),
        [
            ({"total": None}, "could not be read. Nothing was changed"),
            ({"pages": 2, "pages_failed": 1}, "1 of 3 pages could not be read."),
            ({"total": 200, "pages_failed": 5}, "and 2 were not requested"),
            ({"total": 10_001, "answered": 10_000, "pages": 500}, "at most 10000 of them"),
            ({"answered": 59}, "counts 60 products, but listed only 59"),
        ],
    )
    def test_names_what_is_missing(self, facts, reason) -> None:
        assert reason in str(why(**facts))

    @given(st.integers(0, 100_000), st.integers(0, 100_000))
    def test_is_always_a_reason_for_a_run_that_saw_too_little(self, total, answered) -> None:
        complete = why(total=total, answered=answered, last_page=10_000) is None

        assert complete is (answered >= total)

    @given(st.integers(0, 10**6))
    def test_counts_pages_of_twenty(self, total) -> None:
        assert (count_pages(total) - 1) * 20 < total <= count_pages(total) * 20 or total == 0
