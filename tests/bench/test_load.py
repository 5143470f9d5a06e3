"""The measurements of accounts run in their short form and report no fault."""

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

_ROOT = Path(__file__).parents[2]


class _Goal(msgspec.Struct):
    text: str
    value: float


class _Section(msgspec.Struct):
    title: str


class _Report(msgspec.Struct):
    sections: list[_Section]
    goals: list[_Goal]
    faults: list[str]


@pytest.mark.slow
class TestLoad:
    async def test_every_customer_gets_in_with_redis_lost_and_mail_refused(self):
        report = await _measure("load")

        assert report.faults == []
        assert [section.title for section in report.sections[1:]] == [
            "load: Redis runs, the mail server accepts mail",
            "load: Redis stops answering (SIGSTOP), the mail server accepts mail",
            "load: Redis is killed, the mail server accepts mail",
            "load: Redis runs, the mail server refuses mail",
        ]


@pytest.mark.slow
class TestPersonalReads:
    async def test_warm_pages_of_customers_come_out_of_redis(self):
        report = await _measure("personal")

        hits = [goal.value for goal in report.goals if goal.text.endswith("share of hits")]
        assert len(hits) == 2
        assert min(hits) > 0.99


async def _measure(section: str) -> _Report:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", section, "--quick", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=_ROOT,
    )
    output, errors = await process.communicate()

    assert process.returncode == 0, f"{output.decode()}\n{errors.decode()}"
    return msgspec.json.decode(output, type=_Report)
