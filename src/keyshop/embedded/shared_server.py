"""A server that any number of processes use together; the first starts it, the last stops it."""

import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.folder import last_line, make_server_folder
from keyshop.embedded.guardian import USERS_LOCK, ensure_guardian, wait_for_guardian_to_end
from keyshop.embedded.locks import (
    acquire_shared,
    exclusive_lock,
    open_lock,
    release,
    try_acquire_exclusive,
    try_acquire_shared,
)
from keyshop.embedded.ports import choose_port, find_port, is_free
from keyshop.embedded.processes import Program, list_running, stop_running

_POLL_SECONDS = 0.02
# The port of a killed server, and its shared memory, may stay in use for a moment.
_PORT_SECONDS = 1.0
_RETRY_SECONDS = 15.0


class SharedServer(ABC):
    """
    One server below the shop's home. Two objects of one home, in any processes, share the server.

    A shared lock says "I use it" for as long as this process lives; `release` gives it back. The
    methods block, so call them before an event loop starts, or in a thread.
    """

    title: ClassVar[str]  # as people call it
    name: ClassVar[str]  # of its folder under the home
    start_seconds: ClassVar[float]  # within which it answers, or something is wrong

    def __init__(self, home: Path) -> None:
        self.folder = home.resolve() / self.name
        self._users: int | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address with the password; known once the server was started."""

    @abstractmethod
    def _answers(self) -> bool:
        """Test whether the server answers us, by a connection of its own."""

    @property
    @abstractmethod
    def _program(self) -> Program: ...

    @abstractmethod
    def _prepare(self) -> None:
        """Make everything that the server needs before it runs."""

    @abstractmethod
    def _launch(self) -> subprocess.Popen[bytes]: ...

    def start(self) -> None:
        """
        Use the server, and start it unless it runs.

        Raises:
            EmbeddedServerError: it cannot run here, or did not come up.
        """
        if self._users is not None:
            self.ensure()
            return
        make_server_folder(self.folder.parent, self.name)
        self._users = open_lock(self.folder / USERS_LOCK)
        try:
            # Waits here while a server that nobody used a moment ago is being stopped.
            acquire_shared(self._users)
            self._bring_up(keep_port=False)
        except BaseException:
            self.release()
            raise

    def ensure(self) -> None:
        """
        Start the server again, on its old port, if it died.

        Raises:
            EmbeddedServerError: it is not in use, did not come up, or its port is taken.
        """
        if self._users is None:
            raise EmbeddedServerError(f"The embedded {self.title} was not started.")
        self._bring_up(keep_port=True)

    def release(self) -> None:
        """
        Stop using the server. The last user stops it and waits until it is gone.

        Raises:
            EmbeddedServerError: it cannot be stopped.
        """
        if self._users is None:
            return
        users, self._users = self._users, None
        try:
            with exclusive_lock(self._start_lock):
                is_over = self._stop_if_last(users)
        finally:
            release(users)
        if is_over:
            wait_for_guardian_to_end(self.folder)

    def is_alive(self) -> bool:
        """Test whether the server answers, by a connection of its own."""
        is_known = find_port(self._port_file) is not None and self.password_file.exists()
        return is_known and self._answers()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def port(self) -> int:
        """The loopback port; known once the server was started."""
        port = find_port(self._port_file)
        if port is None:
            raise EmbeddedServerError(f"The embedded {self.title} was not started.")
        return port

    @property
    def password(self) -> str:
        """The random password; known once the server was started."""
        return self.password_file.read_text()

    @property
    def password_file(self) -> Path:
        """Where the password is kept."""
        return self.folder / "password"

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder / "server.log"

    @property
    def _port_file(self) -> Path:
        return self.folder / "port"

    @property
    def _start_lock(self) -> Path:
        return self.folder / "start.lock"

    def _stop_if_last(self, users: int) -> bool:
        if try_acquire_exclusive(users):
            stop_running(self._program)
            return True
        if try_acquire_shared(users):
            ensure_guardian(self.folder, self._program)  # the others may be killed
            return False
        # The guardian was quicker than we; wait until it has stopped the server.
        acquire_shared(users)
        return True

    def _bring_up(self, *, keep_port: bool) -> None:
        with exclusive_lock(self._start_lock):
            # Before the server, so that there is no moment in which our death leaves it behind.
            ensure_guardian(self.folder, self._program)
            if self.is_alive():
                return
            if not self._comes_up_by_itself():
                self._prepare()
                self._start_until_it_answers(keep_port=keep_port)

    def _comes_up_by_itself(self) -> bool:
        """Wait for a server that is starting, recovering or ending; stop one that hangs."""
        deadline = time.monotonic() + self.start_seconds
        while list_running(self._program):
            if self.is_alive():
                return True
            if time.monotonic() > deadline:
                stop_running(self._program)
            time.sleep(_POLL_SECONDS)
        return False

    def _start_until_it_answers(self, *, keep_port: bool) -> None:
        deadline = time.monotonic() + _RETRY_SECONDS
        while True:
            self._settle_port(keep_port=keep_port)
            if self._answers_before_it_ends(self._launch()):
                return
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"The embedded {self.title} does not start. The end of {self.log} says: "
                    f"{last_line(self.log)}"
                )
            time.sleep(_POLL_SECONDS * 10)

    def _settle_port(self, *, keep_port: bool) -> None:
        deadline = time.monotonic() + _PORT_SECONDS
        port = find_port(self._port_file)
        while port and not is_free(port) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if keep_port and port and not is_free(port):
            # Others have this port in their address, so the server must not move under them.
            raise EmbeddedServerError(
                f"Port {port} of the embedded {self.title} was taken by another program: "
                "stop that program, or start keyshop again."
            )
        choose_port(self._port_file)

    def _answers_before_it_ends(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + self.start_seconds
        while process.poll() is None:
            if self.is_alive():
                return True
            if time.monotonic() > deadline:
                stop_running(self._program)
                raise EmbeddedServerError(
                    f"The embedded {self.title} did not answer within {self.start_seconds:.0f} s; "
                    f"{self.log} says why."
                )
            time.sleep(_POLL_SECONDS)
        return False
