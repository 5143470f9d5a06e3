"""A secret shows its text only through `reveal`."""

import pickle

import msgspec
import pytest

from keyshop.kit.secrets import Secret

HUSH = Secret("hush-hush")


class TestSecret:
    def test_prints_as_stars_in_every_way(self):
        printed = [str(HUSH), repr(HUSH), f"{HUSH}", f"{HUSH!s:>30}", f"{[HUSH]}"]

        assert not any("hush" in text for text in printed)

    def test_is_not_written_by_an_encoder_that_was_not_meant(self):
        with pytest.raises(TypeError):
            msgspec.json.encode({"secret": HUSH})

    def test_reveals_itself_when_asked(self):
        assert HUSH.reveal() == "hush-hush"

    def test_equals_another_of_the_same_text_and_never_the_text_itself(self):
        assert Secret("hush-hush") == HUSH
        assert hash(Secret("hush-hush")) == hash(HUSH)
        assert Secret("other") != HUSH
        assert HUSH != "hush-hush"
        assert not Secret("")

    def test_survives_a_copy(self):
        assert pickle.loads(pickle.dumps(HUSH)) == HUSH
