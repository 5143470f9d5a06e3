"""An expensive answer is fetched once, for any number of callers."""

import asyncio

import pytest

from keyshop.kit.ttl_memo import TtlMemo


class CallCounter:
    """Answers with the number of its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.may_return = asyncio.Event()
        self.may_return.set()

    async def __call__(self) -> int:
        self.calls += 1
        answer = self.calls
        await self.may_return.wait()
        return answer


class FailsOnce:
    """Fails at its first call."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls == 1:
            raise LookupError
        return "found"


class TestTtlMemo:
    async def test_fetches_once_for_all_callers_at_the_same_time(self):
        counter = CallCounter()
        counter.may_return.clear()
        memo = TtlMemo(counter, seconds=60)
        callers = [asyncio.create_task(memo()) for _ in range(20)]
        await asyncio.sleep(0)

        counter.may_return.set()

        assert await asyncio.gather(*callers) == [1] * 20

    async def test_keeps_the_answer_for_its_time(self):
        memo = TtlMemo(CallCounter(), seconds=60)

        assert [await memo() for _ in range(3)] == [1, 1, 1]

    async def test_fetches_again_when_the_time_is_over(self):
        memo = TtlMemo(CallCounter(), seconds=-1)

        assert [await memo() for _ in range(3)] == [1, 2, 3]

    async def test_gives_the_answer_to_others_when_one_caller_gives_up(self):
        counter = CallCounter()
        counter.may_return.clear()
        memo = TtlMemo(counter, seconds=60)
        impatient, patient = (asyncio.create_task(memo()) for _ in range(2))
        await asyncio.sleep(0)

        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        counter.may_return.set()

        assert await patient == 1

    async def test_raises_a_failure_and_fetches_again_later(self):
        memo = TtlMemo(FailsOnce(), seconds=-1)

        with pytest.raises(LookupError):
            await memo()

        assert await memo() == "found"
