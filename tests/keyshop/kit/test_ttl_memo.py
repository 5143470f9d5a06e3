"""A dear answer is asked for once, however many want it."""

import asyncio

import pytest

from keyshop.kit.ttl_memo import TtlMemo


class Oracle:
    """Somebody who answers with how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self) -> int:
        self.asked += 1
        answer = self.asked
        await self.may_answer.wait()
        return answer


class Forgetful:
    """Somebody who fails the first time."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.asked == 1:
            raise LookupError
        return "found"


class TestRemembered:
    async def test_asks_once_for_all_who_come_at_the_same_time(self):
        oracle = Oracle()
        oracle.may_answer.clear()
        remembered = TtlMemo(oracle, seconds=60)
        callers = [asyncio.create_task(remembered()) for _ in range(20)]
        await asyncio.sleep(0)

        oracle.may_answer.set()

        assert await asyncio.gather(*callers) == [1] * 20

    async def test_keeps_the_answer_for_its_time(self):
        remembered = TtlMemo(Oracle(), seconds=60)

        assert [await remembered() for _ in range(3)] == [1, 1, 1]

    async def test_asks_again_when_the_time_is_over(self):
        remembered = TtlMemo(Oracle(), seconds=-1)

        assert [await remembered() for _ in range(3)] == [1, 2, 3]

    async def test_does_not_take_the_answer_from_others_when_one_gives_up(self):
        oracle = Oracle()
        oracle.may_answer.clear()
        remembered = TtlMemo(oracle, seconds=60)
        impatient, patient = (asyncio.create_task(remembered()) for _ in range(2))
        await asyncio.sleep(0)

        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        oracle.may_answer.set()

        assert await patient == 1

    async def test_passes_a_failure_on_and_asks_again_later(self):
        remembered = TtlMemo(Forgetful(), seconds=-1)

        with pytest.raises(LookupError):
            await remembered()

        assert await remembered() == "found"
