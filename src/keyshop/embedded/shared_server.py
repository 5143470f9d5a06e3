"""A server that any number of processes share: the first starts it, the last stops it."""

import os
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.folder import last_line, make_server_folder
from keyshop.embedded.guardian import USERS_LOCK, ensure_guardian, wait_for_guardian_to_end
from keyshop.embedded.listeners import describe_listener, list_listening
from keyshop.embedded.locks import (
    acquire_shared,
    exclusive_lock,
    open_lock,
    release,
    try_acquire_exclusive,
    try_acquire_shared,
)
from keyshop.embedded.ports import HOST, choose_port, find_port, is_free
from keyshop.embedded.processes import Program, is_process_of, list_running, stop_running
from keyshop.embedded.run_as import OsAccount
from keyshop.embedded.sockets import find_peer, make_socket_folder, socket_folder

_POLL_INTERVAL = 0.02
# The port of a killed server, and its shared memory, may stay in use for a moment.
_PORT_TIMEOUT = 1.0
_RETRY_TIMEOUT = 15.0
_PEER_TIMEOUT = 2.0


class SharedServer(ABC):
    """
    One server below the shop's home. All objects of one home, in any process, share the server.

    Each user holds a shared lock until `release` or the end of its process. The methods block, so
    call them before an event loop starts, or in a thread.
    """

    title: ClassVar[str]  # in messages
    name: ClassVar[str]  # of its folder below the home
    start_seconds: ClassVar[float]  # within which it must answer

    def __init__(self, home: Path) -> None:
        self.folder = home.resolve() / self.name
        self._users_lock: int | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address on the loopback port, with the password; known once the server has started."""

    @property
    @abstractmethod
    def socket_url(self) -> str:
        """
        The address on the socket, with the password; known once the server has started.

        The shop uses this one: while the server is stopped, any program may listen on its port.
        """

    @property
    @abstractmethod
    def socket(self) -> Path:
        """The socket's file; known once the server has started."""

    @abstractmethod
    def _answers(self) -> bool:
        """Test whether the server answers on a new connection to its socket."""

    def _finish_start(self) -> bool:
        """Do what must be done once its socket is open; return whether that worked."""
        return True

    @property
    @abstractmethod
    def _program(self) -> Program: ...

    @abstractmethod
    def _prepare(self) -> None:
        """Create everything that the server needs to start."""

    @abstractmethod
    def _launch(self) -> subprocess.Popen[bytes]: ...

    def start(self) -> None:
        """
        Use the server, and start it unless it runs.

        Raises:
            EmbeddedServerError: it cannot run here, or did not start.
        """
        if self._users_lock is not None:
            self.ensure()
            return
        _check_name(self.folder)
        make_server_folder(self.folder.parent, self.name)
        self._users_lock = open_lock(self.folder / USERS_LOCK)
        try:
            # Waits here while a server without users is being stopped.
            acquire_shared(self._users_lock)
            self._ensure_running()
        except BaseException:
            self.release()
            raise

    def ensure(self) -> None:
        """
        Restart the server on its old port if it died.

        Raises:
            EmbeddedServerError: it is not in use, did not start, or its port is taken.
        """
        if self._users_lock is None:
            raise EmbeddedServerError(f"The embedded {self.title} was not started.")
        self._ensure_running()

    def release(self) -> None:
        """
        Stop using the server. The last user stops it and waits until it has ended.

        Raises:
            EmbeddedServerError: it cannot be stopped.
        """
        if self._users_lock is None:
            return
        users, self._users_lock = self._users_lock, None
        try:
            with exclusive_lock(self._start_lock):
                is_over = self._stop_if_last(users)
        finally:
            release(users)
        if is_over:
            wait_for_guardian_to_end(self.folder)

    def is_alive(self) -> bool:
        """Test whether the server answers on a new connection."""
        return self._has_known_port() and self._is_own_process() and self._answers()

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
        """The loopback port; known once the server has started."""
        port = find_port(self._port_file)
        if port is None:
            raise EmbeddedServerError(f"The embedded {self.title} was not started.")
        return port

    @property
    def password(self) -> str:
        """The random password; known once the server has started."""
        return self.password_file.read_text()

    @property
    def password_file(self) -> Path:
        return self.folder / "password"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def _port_file(self) -> Path:
        return self.folder / "port"

    @property
    def _start_lock(self) -> Path:
        return self.folder / "start.lock"

    def _has_known_port(self) -> bool:
        return find_port(self._port_file) is not None and self.password_file.exists()

    @property
    def _socket_folder(self) -> Path:
        return socket_folder(self.folder)

    def _make_socket_folder(self, account: OsAccount) -> None:
        owner = os.geteuid() if account.uid is None else account.uid
        group = os.getegid() if account.gid is None else account.gid
        make_socket_folder(self._socket_folder, owner=owner, group=group)

    def _is_own_process(self) -> bool:
        """Test whether the process behind the socket is the server, before it gets the password."""
        pid = find_peer(self.socket, timeout_seconds=_PEER_TIMEOUT)
        return pid is not None and is_process_of(self._program, pid)

    def _has_started(self) -> bool:
        """
        Test whether the server answers, and listens only where it should.

        Raises:
            EmbeddedServerError: it listens elsewhere as well, or cannot open its port; it was stopped.
        """
        if not self._is_own_process():
            return False
        finished = self._finish_start()
        elsewhere = {
            address for pid in list_running(self._program) for address in list_listening(pid)
        } - {(HOST, self.port)}
        if elsewhere or not finished:
            stop_running(self._program)
            places = ", ".join(f"{host} port {port}" for host, port in sorted(elsewhere))
            fault = f"listens on {places}" if elsewhere else f"cannot open port {self.port}"
            raise EmbeddedServerError(
                f"The embedded {self.title} {fault}, and was stopped; see {self.log}."
            )
        return self.is_alive()

    def _stop_if_last(self, users: int) -> bool:
        if try_acquire_exclusive(users):
            stop_running(self._program)
            with suppress(OSError):
                # It may be outside the home, where an empty folder would be left behind.
                self._socket_folder.rmdir()
            return True
        if try_acquire_shared(users):
            ensure_guardian(self.folder, self._program)  # the other users may be killed
            return False
        # The guardian was faster; wait until it has stopped the server.
        acquire_shared(users)
        return True

    def _ensure_running(self) -> None:
        with exclusive_lock(self._start_lock):
            # Before the server: if this process died in between, the server would be left behind.
            ensure_guardian(self.folder, self._program)
            if self.is_alive():
                return
            if not self._wait_for_running():
                self._prepare()
                self._start_and_wait()

    def _wait_for_running(self) -> bool:
        """Wait for a server that is starting, recovering or ending; stop one that hangs."""
        deadline = time.monotonic() + self.start_seconds
        while list_running(self._program):
            if self._has_known_port() and self._has_started():
                return True
            if time.monotonic() > deadline:
                stop_running(self._program)
            time.sleep(_POLL_INTERVAL)
        return False

    def _start_and_wait(self) -> None:
        deadline = time.monotonic() + _RETRY_TIMEOUT
        while True:
            self._choose_port()
            if self._wait_for_answer(self._launch()):
                return
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"The embedded {self.title} does not start. The last line of {self.log} is: "
                    f"{last_line(self.log)}"
                )
            time.sleep(_POLL_INTERVAL * 10)

    def _choose_port(self) -> None:
        deadline = time.monotonic() + _PORT_TIMEOUT
        port = find_port(self._port_file)
        while port and not is_free(port) and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL)
        if port and not is_free(port):
            # Scripts have this port in their address, and would give the password to the listener.
            raise EmbeddedServerError(
                f"Port {port} of the embedded {self.title} is taken by {describe_listener(port)}: "
                f"stop it, or delete {self._port_file} to move to another port."
            )
        choose_port(self._port_file)

    def _wait_for_answer(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + self.start_seconds
        while process.poll() is None:
            if self._has_started():
                return True
            if time.monotonic() > deadline:
                stop_running(self._program)
                raise EmbeddedServerError(
                    f"The embedded {self.title} did not answer within {self.start_seconds:.0f} s; "
                    f"see {self.log}."
                )
            time.sleep(_POLL_INTERVAL)
        return False


def _check_name(folder: Path) -> None:
    name = str(folder)
    # PostgreSQL's files have a path to a line, and its answers are UTF-8.
    if not name.isprintable():
        raise EmbeddedServerError(
            f"KEYSHOP_HOME is {name!r}, with a control character or one that is not UTF-8: "
            "choose another folder."
        )
