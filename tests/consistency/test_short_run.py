"""The shop keeps its promise while everything around it fails."""

import pytest

from tests.consistency.command import run_checker

pytestmark = pytest.mark.timed


def assert_kept(*words: str) -> None:
    """Run the checker; it must find no violation."""
    status, report = run_checker(*words)
    assert status == 0, report
    assert "# Consistent: 0 violations" in report


class TestShop:
    def test_never_shows_an_old_value_while_everything_fails(self):
        assert_kept("--seconds", "10", "--fault-every", "1")

    @pytest.mark.slow
    @pytest.mark.parametrize("server", ["valkey", "redis"])
    def test_never_shows_an_old_value_for_minutes(self, server):
        assert_kept("--seconds", "180", "--fault-every", "1.5", "--server", server)

    @pytest.mark.slow
    def test_keeps_its_promise_under_a_hostile_role(self):
        assert_kept("--seconds", "60", "--fault-every", "1.5", "--hostile-role")

    @pytest.mark.slow
    def test_keeps_its_promise_when_some_processes_work_without_a_cache(self):
        assert_kept(
            "--seconds", "120", "--fault-every", "1.5", "--api-processes", "3", "--uncached", "1"
        )
