"""A killed part of a running shop is restarted soon, and no data are lost."""

import os
from collections.abc import Iterator

import psutil
import pytest

from tests.chaos.test_stop_and_start import has, write
from tests.keyshop.embedded.database import run_sql
from tests.keyshop.embedded.users import kill, wait_until
from tests.keyshop.entrypoints.cli.shop_process import ShopProcess, running
from tests.servers import open_home

_RECOVERY_SECONDS = 60

PARTS = {
    "PostgreSQL": ["postgres", "-D"],
    # A run of the suite may use a shop without a cache.
    **({} if os.environ.get("CACHE_MODE") == "off" else {"Valkey": ["valkey-server"]}),
    "the API": ["-m", "keyshop", "api"],
    "the worker": ["-m", "keyshop", "worker"],
    "the simulator": ["-m", "g2a_simulator"],
}


@pytest.fixture(scope="module")
def shop() -> Iterator[ShopProcess]:
    with open_home() as folder, running(folder / "home", "up") as shop:
        yield shop


def find(shop: ShopProcess, part: str) -> psutil.Process | None:
    """Return the running process of the part, but not its guardian."""
    found = [
        process for process in shop.list_processes(*PARTS[part]) if not shop.is_guardian(process)
    ]
    return found[0] if len(found) == 1 else None


class TestKilledPart:
    @pytest.mark.parametrize("part", PARTS)
    def test_is_running_again_and_nothing_is_lost(self, shop: ShopProcess, part: str):
        write(shop, part)
        killed = find(shop, part)
        assert killed is not None

        kill(killed)

        def is_back() -> bool:
            restarted = find(shop, part)
            if restarted is None or restarted.pid == killed.pid:
                return False
            return shop.is_healthy() and shop.has_supplier()

        wait_until(is_back, seconds=_RECOVERY_SECONDS)
        assert has(shop, part)
        assert shop.get_json("/api/games?pageSize=1")["data"]["total"] == 100


class TestKilledSync:
    def test_is_reported_by_the_next_command(self, shop):
        shop.control_simulator("PATCH", "settings", {"latency_ms": 500})
        sync = ShopProcess(shop.home, **shop.variables)
        sync.launch("sync", "full")
        open_runs = "SELECT count(*) FROM keyshop.sync_runs WHERE state = 'RUNNING'"
        wait_until(lambda: run_sql(shop.database_url, open_runs) == 1)

        kill(sync.get_process("sync", "full"))
        sync.end()
        shop.control_simulator("PATCH", "settings", {"latency_ms": 0})
        next_sync = shop.run("sync", "full")

        assert next_sync.returncode == 0, next_sync.stderr
        assert "was interrupted after" in next_sync.stderr
        assert '"INTERRUPTED"' in shop.run("sync", "runs", "--json").stdout
