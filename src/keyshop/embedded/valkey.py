"""The embedded Valkey 9: a cache on a socket and a loopback port, with a password, in memory."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from keyshop.embedded.binaries import get_valkey_program
from keyshop.embedded.folder import make_password, open_log
from keyshop.embedded.ports import HOST
from keyshop.embedded.processes import Program, spawn_detached
from keyshop.embedded.run_as import choose_account, plain_environment
from keyshop.embedded.shared_server import SharedServer

_ANSWER_SECONDS = 2.0


class ValkeyServer(SharedServer):
    """The shop's own Valkey. Nothing of what it holds is written to disk."""

    title: ClassVar[str] = "Valkey"
    name: ClassVar[str] = "valkey"
    start_seconds: ClassVar[float] = 15.0

    @property
    def url(self) -> str:
        """The address of database 0 on the loopback port, with the password."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """The address of database 0 on the socket, with the password."""
        return f"unix://:{self.password}@{self.socket}?db=0"

    @property
    def socket(self) -> Path:
        return self._socket_folder / "valkey.sock"

    def _answers(self) -> bool:
        found = self._ask(
            f"AUTH {self.password}", "CONFIG GET dir", "CONFIG GET bind", "CONFIG GET port"
        )
        # A copy of a home has the same port and password, but another folder.
        wanted = (str(self.folder), HOST, str(self.port))
        return found.startswith("+OK\r\n") and all(f"\r\n{word}\r\n" in found for word in wanted)

    def _finish_start(self) -> bool:
        # One command, all of it or nothing: the port opens with the password or not at all. Once
        # that is done, the server refuses it, because this connection has not signed in.
        settings = f"requirepass {self.password} bind {HOST} port {self.port}"
        return not self._ask(f"CONFIG SET {settings}").startswith("-ERR")

    def _ask(self, *commands: str) -> str:
        """Return the raw answers, or nothing if the server does not answer."""
        sent = "".join(f"{command}\r\n" for command in (*commands, "QUIT"))
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_ANSWER_SECONDS)
                connection.connect(str(self.socket))
                connection.sendall(sent.encode())
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
        except OSError:
            return ""
        return os.fsdecode(answer)

    @property
    def _program(self) -> Program:
        return Program(
            "/valkey-server --dir", str(self.folder), signal.SIGTERM, timeout_seconds=3.0
        )

    def _prepare(self) -> None:
        make_password(self.password_file)

    def _launch(self) -> subprocess.Popen[bytes]:
        program = get_valkey_program()
        account = choose_account(data=self.folder / "run", program=program)
        self._make_socket_folder(account)
        log = open_log(self.log)
        try:
            return spawn_detached(
                [program, *self._options()],
                account=account,
                log=log,
                environment=plain_environment(),
            )
        finally:
            os.close(log)

    def _options(self) -> Sequence[str | Path]:
        # No file: Valkey takes its name for a pattern, and starts with its defaults when nothing
        # matches. No password, which every account could read here, and so no port yet.
        return [
            "--dir", self.folder,
            "--bind", HOST,
            "--port", "0",
            "--unixsocket", self.socket,
            "--unixsocketperm", "700",
            "--save", "",
            "--appendonly", "no",
            "--maxmemory", "256mb",
            "--maxmemory-policy", "volatile-lfu",
            # We recognise our server by its command line, which it would otherwise overwrite.
            "--set-proc-title", "no",
        ]  # fmt: skip
