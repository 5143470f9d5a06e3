"""Log lines: one JSON object each for machines, columns for people, and no secret in either."""

import json
import subprocess
import sys

import pytest

_SETUP = """
import logging, sys, structlog
from decimal import Decimal
from datetime import datetime, UTC
from keyshop.kit.logs import configure_logging
from keyshop.kit.secrets import Secret
configure_logging({form!r}, {level!r})
log = structlog.get_logger("shop")
"""


def lines_of(script: str, *, form: str | None = "json", level: str = "info") -> list[str]:
    """Return what the script logs, in its own process because logging is configured per process."""
    done = subprocess.run(
        [sys.executable, "-c", _SETUP.format(form=form, level=level) + script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def events_of(script: str, *, level: str = "info") -> list[dict[str, object]]:
    return [json.loads(line) for line in lines_of(script, level=level)]


class TestDebugging:
    @pytest.mark.parametrize(("level", "lines"), [("debug", 2), ("info", 1)])
    def test_can_be_asked_for_before_a_line_is_made(self, level: str, lines: int):
        script = "from keyshop.kit.logs import is_debugging\n"
        script += "log.debug('detail')\nlog.info('fact', more=is_debugging())"

        *details, fact = events_of(script, level=level)

        assert len(details) + 1 == lines
        assert fact["more"] is (level == "debug")


class TestJson:
    def test_is_one_object_a_line_with_time_level_and_facts(self):
        (event,) = events_of(
            "log.info('sync.page', page=3, price=Decimal('1.50'), text='two\\nlines',"
            " at=datetime(2026, 6, 15, tzinfo=UTC))"
        )

        assert str(event.pop("timestamp")).endswith("Z")
        assert event == {
            "event": "sync.page", "level": "info", "page": 3, "price": "1.50",
            "text": "two\nlines", "at": "2026-06-15T00:00:00Z",
        }  # fmt: skip

    def test_writes_a_value_that_json_does_not_support_as_text(self):
        (event,) = events_of(
            "log.info('odd', what={1: object}, path=__import__('pathlib').Path('/a'))"
        )

        assert event["path"] == "/a"

    def test_holds_no_secret(self):
        lines = lines_of("""
hush = Secret("hush-hush")
log.info("call", secret=hush, nested={"deep": [hush]}, text=f"with {hush}")
logging.getLogger("library").warning("called with %s and %r", hush, {"key": hush})
def call(password, secret):
    raise ValueError("it failed")
try:
    call("hush-hush-too", hush)
except ValueError:
    log.exception("failed")
""")

        assert len(lines) == 3
        assert not any("hush" in line.replace("hush = ", "") for line in lines)

    def test_says_where_something_failed(self):
        (event,) = events_of("""
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed", id=7)
""")

        assert "ZeroDivisionError" in json.dumps(event["exception"])
        assert (event["level"], event["id"]) == ("error", 7)


class TestLibraries:
    def test_write_no_traceback_for_every_connection_that_is_refused(self):
        """The driver's pool does so each second while PostgreSQL is away."""
        script = "try: raise OSError\n"
        script += (
            "except OSError: logging.getLogger('asyncpg.pool').warning('again', exc_info=True)"
        )

        assert events_of(script) == []

    def test_lines_have_the_same_format(self):
        (event,) = events_of("logging.getLogger('some.library').warning('%s of %s', 3, 7)")

        assert (event["event"], event["logger"]) == ("3 of 7", "some.library")
        assert event["level"] == "warning"

    def test_failures_come_with_their_cause(self):
        (event,) = events_of("""
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("library").exception("it failed")
""")

        assert "ZeroDivisionError" in json.dumps(event["exception"])

    def test_do_not_log_their_debug_messages(self):
        script = (
            "logging.getLogger('httpx2').info('GET /'); logging.getLogger('other').info('heard')"
        )

        assert [event["event"] for event in events_of(script)] == ["heard"]


class TestLevel:
    @pytest.mark.parametrize(
        ("level", "heard"),
        [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)],
    )
    def test_is_the_lowest_that_is_written(self, level, heard):
        script = "for name in ('debug', 'info', 'warning', 'error'): getattr(log, name)('x')"

        assert len(lines_of(script, level=level)) == heard


class TestConsole:
    def test_is_columns_for_people_and_no_secret(self):
        (line,) = lines_of("log.info('sync.page', page=3, by=Secret('hush'))", form="console")

        assert "sync.page" in line
        assert "page" in line
        assert "hush" not in line
        assert not line.startswith("{")

    def test_is_not_chosen_without_a_terminal(self):
        (line,) = lines_of("log.info('sync.page')", form=None)

        assert json.loads(line)["event"] == "sync.page"
