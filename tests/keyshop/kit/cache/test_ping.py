"""Redis reachable, unreachable, and not configured."""

from keyshop.embedded.ports import choose_port
from keyshop.kit.cache.redis.ping import ping_redis


class TestPing:
    async def test_is_answered_by_a_running_server(self, valkey_url) -> None:
        assert await ping_redis(valkey_url) == "ok"

    async def test_reports_a_server_that_is_away(self, tmp_path) -> None:
        assert await ping_redis(f"redis://127.0.0.1:{choose_port(tmp_path / 'port')}/0") == "error"

    async def test_reports_a_wrong_password(self, valkey_url) -> None:
        address = valkey_url.rpartition("@")[2]

        assert await ping_redis(f"redis://:wrong@{address}") == "error"

    async def test_reports_a_shop_without_a_cache(self) -> None:
        assert await ping_redis(None) == "disconnected"
