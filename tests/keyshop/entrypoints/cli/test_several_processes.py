"""KEYSHOP_WORKERS=2: two processes answer on one port, and their metrics are summed."""

import re
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from keyshop.entrypoints.http.connection_limits import ConnectionLimits
from tests.keyshop.embedded.users import kill, wait_until
from tests.keyshop.entrypoints.cli.shop_process import ShopProcess, fetch, running

_REQUESTS = 300
_FEW_DESCRIPTORS = 400
_OWN_DESCRIPTORS = 256
_COUNT = re.compile(
    r'^keyshop_http_requests_total\{method="GET",operation="/live",status="200"\} (\S+)$',
    re.MULTILINE,
)


@pytest.fixture
def shop(home, database_url) -> Iterator[ShopProcess]:
    with (
        few_descriptors(),
        running(
            home, "api", KEYSHOP_WORKERS=2, DATABASE_URL=database_url, CACHE_MODE="off"
        ) as shop,
    ):
        wait_until(lambda: len(list_workers(shop)) == 2)
        yield shop


@contextmanager
def few_descriptors() -> Iterator[None]:
    """Let what is started inherit a soft limit that is far below what the shop needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FEW_DESCRIPTORS, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def list_workers(shop: ShopProcess) -> list[psutil.Process]:
    return shop.list_processes("-m", "keyshop", "api", "--socket")


def limits_of(worker: psutil.Process) -> tuple[int, int]:
    """Return the soft and the hard limit of descriptors."""
    soft, hard = worker.rlimit(psutil.RLIMIT_NOFILE)
    return soft, hard


def counted(shop: ShopProcess) -> int:
    """Return how many requests the metrics count."""
    found = _COUNT.search(fetch(f"{shop.url}/metrics")[1].decode())
    return round(float(found[1])) if found else 0


def request_live(shop: ShopProcess, times: int) -> None:
    with ThreadPoolExecutor(max_workers=16) as callers:
        answers = [callers.submit(fetch, f"{shop.url}/live") for _ in range(times)]
    assert all(answer.result()[0] == 200 for answer in answers)


class TestTwoProcesses:
    def test_count_every_request_exactly_once(self, shop):
        before = counted(shop)

        # While one process is stopped, the other one answers, so both answer some requests.
        for sleeper in list_workers(shop):
            sleeper.send_signal(signal.SIGSTOP)
            request_live(shop, _REQUESTS // 2)
            sleeper.send_signal(signal.SIGCONT)
        request_live(shop, _REQUESTS)

        assert counted(shop) == before + 2 * _REQUESTS

    def test_are_restarted_when_killed_and_keep_their_counts(self, shop):
        request_live(shop, 50)
        before = counted(shop)
        victim, survivor = list_workers(shop)

        kill(victim)

        wait_until(lambda: len(list_workers(shop)) == 2)
        assert survivor.is_running()
        assert counted(shop) == before
        assert shop.is_up()

        # Both end when their parent is killed.
        shop.stop(signal.SIGKILL)

        wait_until(lambda: not shop.list_processes())

    def test_refuse_a_request_whose_head_is_too_large(self, shop):
        request = Request(f"{shop.url}/live", headers={"Cookie": "c" * 70_000})

        with pytest.raises(HTTPError) as refusal:
            urlopen(request, timeout=10)

        with refusal.value:
            assert refusal.value.code == 431
            assert "too large" in refusal.value.read().decode()

    def test_may_have_as_many_descriptors_as_they_take_connections(self, shop):
        workers = list_workers(shop)
        # Each raises its limit once it has opened the shop; one of them may still be doing that.
        wait_until(lambda: all(limits_of(worker)[0] > _FEW_DESCRIPTORS for worker in workers))

        for soft, hard in map(limits_of, workers):
            # All connections, and what the process opens for itself.
            assert hard == psutil.RLIM_INFINITY or soft == min(
                hard, ConnectionLimits().connections + _OWN_DESCRIPTORS
            )
