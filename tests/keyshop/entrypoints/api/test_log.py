import os
import subprocess
import sys
from pathlib import Path

from httpx2 import AsyncClient
from structlog.testing import capture_logs

_COUNT = """
import asyncio, sys
from keyshop.kit.metrics import share_metrics
from pathlib import Path
share_metrics(Path(sys.argv[1]))
from tests.factories.api_app import make_app
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.keyshop.entrypoints.api.conftest import client_of

async def main():
    app = make_app(Database("postgresql://nobody@127.0.0.1:1/x", guard=RedisCommitGuard(None)), metrics_folder=Path(sys.argv[1]))
    async with client_of(app) as client:
        for _ in range(3):
            await client.get("/live")
        print((await client.get("/metrics")).text)

asyncio.run(main())
"""


class TestLog:
    async def test_has_one_line_for_each_request_and_no_query(self, client: AsyncClient):
        with capture_logs() as lines:
            await client.get("/api/games/search?q=something-private")

        [line] = lines
        assert line["event"] == "request"
        assert line["operation"] == "/api/games/search"
        assert (line["method"], line["status"]) == ("GET", 200)
        assert line["milliseconds"] > 0
        assert "something-private" not in str(line)
        # The metrics count it; a log line would cost as much as the response.
        assert line["log_level"] == "debug"

    async def test_has_a_line_at_level_info_for_a_refused_request(self, client: AsyncClient):
        with capture_logs() as lines:
            await client.get("/api/games/no-such-game")

        [line] = lines
        assert (line["status"], line["log_level"]) == (404, "info")


class TestMetricsOfSeveralProcesses:
    def test_are_summed_at_one_path_and_none_are_lost(self, tmp_path: Path):
        figures = [
            subprocess.run(
                [sys.executable, "-c", _COUNT, tmp_path],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(Path.cwd())},
                timeout=60,
            ).stdout
            for _ in range(2)
        ]

        line = 'keyshop_http_requests_total{method="GET",operation="/live",status="200"}'
        assert f"{line} 3.0" in figures[0]
        assert f"{line} 6.0" in figures[1]
