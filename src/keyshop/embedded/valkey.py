"""The embedded Valkey 9: a cache on a loopback port, with a password, in memory alone."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import ClassVar

from keyshop.embedded.binaries import get_valkey_program
from keyshop.embedded.folder import make_password, open_log, write_private
from keyshop.embedded.ports import HOST
from keyshop.embedded.processes import Program, spawn_detached
from keyshop.embedded.run_as import OsAccount, plain_environment
from keyshop.embedded.shared_server import SharedServer

_ANSWER_SECONDS = 2.0


class ValkeyServer(SharedServer):
    """The shop's own Valkey. Nothing of what it holds is written to disk."""

    title: ClassVar[str] = "Valkey"
    name: ClassVar[str] = "valkey"
    start_seconds: ClassVar[float] = 15.0

    @property
    def url(self) -> str:
        """The address of database 0, with the password."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def _answers(self) -> bool:
        commands = f"AUTH {self.password}\r\nCONFIG GET dir\r\nQUIT\r\n"
        try:
            with socket.create_connection((HOST, self.port), timeout=_ANSWER_SECONDS) as connection:
                connection.sendall(commands.encode())
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
        except OSError:
            return False
        # A copy of a home has the same port and password, but another folder.
        return f"\r\n{self.folder}\r\n".encode() in answer

    @property
    def _configuration(self) -> Path:
        return self.folder / "valkey.conf"

    @property
    def _program(self) -> Program:
        return Program(
            "/valkey-server", str(self._configuration), signal.SIGTERM, timeout_seconds=3.0
        )

    def _prepare(self) -> None:
        make_password(self.password_file)

    def _launch(self) -> subprocess.Popen[bytes]:
        # In a file, because every account can read a command line.
        write_private(self._configuration, self._settings())
        log = open_log(self.log)
        try:
            return spawn_detached(
                [get_valkey_program(), self._configuration],
                account=OsAccount(),
                log=log,
                environment=plain_environment(),
            )
        finally:
            os.close(log)

    def _settings(self) -> str:
        return f"""\
bind {HOST}
port {self.port}
requirepass {self.password}
dir "{self.folder}"
save ""
appendonly no
maxmemory 256mb
maxmemory-policy volatile-lfu
# We recognise our server by its command line, which it would otherwise overwrite.
set-proc-title no
"""
