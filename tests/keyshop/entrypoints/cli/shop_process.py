"""A running shop as an operator uses it: processes, addresses, commands."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psutil

from keyshop.embedded.ports import pick_free
from keyshop.embedded.postgres import PostgresServer
from keyshop.settings import Settings
from tests.keyshop.embedded.users import wait_until

_JSON = {"Content-Type": "application/json"}
_START_SECONDS = 90
_COMMAND_SECONDS = 60


def shop_environment(home: Path, **variables: object) -> dict[str, str]:
    """
    Return this process's environment, with only these of the shop's variables.

    CACHE_MODE is kept, because a whole run of the suite may be without a cache.
    """
    ours = {name.upper() for name in Settings.model_fields} - {"CACHE_MODE"}
    others = {name: value for name, value in os.environ.items() if name not in ours}
    return others | {"KEYSHOP_HOME": str(home)} | {k: str(v) for k, v in variables.items()}


def run_keyshop(
    *arguments: str, home: Path, **variables: object
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, away from any `.env` of this checkout."""
    return subprocess.run(
        [sys.executable, "-m", "keyshop", *arguments],
        env=shop_environment(home, **variables),
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
    )


def fetch(url: str, *, method: str = "GET", body: object = None) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, _JSON, method=method), timeout=10) as answer:
            return answer.status, answer.read()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


class ShopProcess:
    """A process of `keyshop` that runs until it is stopped, with ports of its own."""

    def __init__(self, home: Path, **variables: object) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{(port := pick_free())}"
        self.simulator = f"http://127.0.0.1:{(simulator_port := pick_free())}"
        self.log = home.parent / f"{home.name}.log"
        self.variables: dict[str, object] = {
            "KEYSHOP_PORT": port,
            "SIMULATOR_PORT": simulator_port,
            "SIMULATOR_PRODUCTS": 100,
            "G2A_REQUESTS_PER_MINUTE": 100_000,
            **variables,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> float:
        """Start the command, wait until the API answers, and return how many seconds it took."""
        began = time.monotonic()
        self.launch(*arguments)
        wait_until(lambda: self._has_ended() or self.is_up(), seconds=_START_SECONDS)
        assert not self._has_ended(), self.log.read_text()
        return time.monotonic() - began

    def launch(self, *arguments: str) -> None:
        """Start the command."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "keyshop", *arguments],
                env=shop_environment(self.home, **self.variables),
                cwd=self.home.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(_COMMAND_SECONDS)

    def end(self) -> None:
        """Stop every process that a test left behind."""
        if self._process is not None and not self._has_ended():
            self.stop()

    def run(self, *arguments: str, **variables: object) -> subprocess.CompletedProcess[str]:
        """Run a command beside the shop, with the shop's variables."""
        return run_keyshop(*arguments, home=self.home, **{**self.variables, **variables})

    def get_json(self, path: str) -> Any:
        """Return the JSON of an answer with status 200."""
        status, body = fetch(self.url + path)
        assert status == 200, body
        return json.loads(body)

    def control_simulator(self, method: str, path: str, body: object = None) -> Any:
        """Use the simulator's control API."""
        status, answer = fetch(f"{self.simulator}/_simulator/{path}", method=method, body=body)
        assert status == 200, answer
        return json.loads(answer)

    def is_up(self) -> bool:
        """Test whether the API answers and has its database."""
        return _answers(f"{self.url}/health")

    def has_supplier(self) -> bool:
        """Test whether the simulator answers; /health may report a state that is a minute old."""
        return _answers(f"{self.simulator}/_simulator/")

    def is_healthy(self) -> bool:
        """Test whether every part of the shop works."""
        try:
            status, body = fetch(f"{self.url}/health")
        except (URLError, OSError):
            return False
        return status == 200 and json.loads(body)["status"] == "ok"

    @property
    def database_url(self) -> str:
        """The URL of the embedded database."""
        return PostgresServer(self.home).url

    def get_process(self, *words: str) -> psutil.Process:
        """Return the one process of this shop whose command line contains these words in sequence."""
        (found,) = self.list_processes(*words)
        return found

    def list_processes(self, *words: str) -> list[psutil.Process]:
        """Return the processes of this shop, or those whose command line contains these words."""
        return [
            process
            for process in psutil.process_iter()
            if _belongs_to(process, self.home) and " ".join(words) in " ".join(_words_of(process))
        ]

    def is_guardian(self, process: psutil.Process) -> bool:
        """Test whether this is a guardian, which stops a server once it has no users."""
        return "keyshop.embedded.guardian" in _words_of(process)

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None


@contextmanager
def running(home: Path, *arguments: str, **variables: object) -> Iterator[ShopProcess]:
    """Run a command of this home during the block; afterwards no process of it may run."""
    shop = ShopProcess(home, **variables)
    try:
        shop.start(*arguments)
        yield shop
    finally:
        shop.end()
    assert shop.list_processes() == []


def _answers(url: str) -> bool:
    try:
        return fetch(url)[0] == 200
    except (URLError, OSError):
        return False


def _belongs_to(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get("KEYSHOP_HOME") == str(home) or any(
            str(home) in word for word in process.cmdline()
        )
    except psutil.Error:
        return False


def _words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
