"""An installed PostgreSQL of another version, for a run of the suite on it (`--postgresql`)."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import trustme
from msgspec import Struct

from keyshop.embedded.folder import open_log
from keyshop.embedded.ports import choose_port
from keyshop.embedded.processes import spawn_detached
from keyshop.embedded.run_as import choose_account, plain_environment
from tests.servers import FAST, connected, open_home

_USER = "keyshop"


class Tls(Struct, frozen=True):
    """What a server that speaks TLS shows its clients, and who issues its clients' certificates."""

    certificate: trustme.LeafCert
    authority: trustme.CA


class OtherPostgres:
    """A server for one test process; loopback clients need no password."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self._port = port

    def url_of(self, database: str) -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://{_USER}@127.0.0.1:{self._port}/{database}"


@contextmanager
def other_postgres(programs: Path, *, tls: Tls | None = None) -> Iterator[OtherPostgres]:
    """Run the server with the programs in this folder, on new data, during the block."""
    with open_home() as home:
        data = home / "data"
        account = choose_account(data=data, program=programs / "postgres")
        data.mkdir(mode=0o700)
        account.chown_tree(data)
        initialised = account.run(
            [programs / "initdb", "-D", data, "-U", _USER, "-E", "UTF8", "--locale=C.UTF-8",
             "--auth=trust"]
        )  # fmt: skip
        assert initialised.returncode == 0, initialised.stderr
        server = OtherPostgres(home, choose_port(home / "port"))
        options = {**FAST, "port": str(server._port), "listen_addresses": "127.0.0.1",
                   "unix_socket_directories": "", "timezone": "UTC", "jit": "off"}  # fmt: skip
        if tls is not None:
            options |= _write_certificates(tls, home / "tls")
            account.chown_tree(home / "tls")
        log = open_log(home / "log")
        process = spawn_detached(
            [programs / "postgres", "-D", data, *(f"--{k}={v}" for k, v in options.items())],
            account=account, log=log, environment=plain_environment(),
        )  # fmt: skip
        os.close(log)
        try:
            asyncio.run(_wait_until_ready(server))
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _write_certificates(tls: Tls, folder: Path) -> dict[str, str]:
    """Return the settings with which the server uses them."""
    folder.mkdir(mode=0o700)
    tls.certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    key = folder / "server.key"
    tls.certificate.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    tls.authority.cert_pem.write_to_path(folder / "clients.pem")
    return {
        "ssl": "on",
        "ssl_cert_file": str(folder / "server.pem"),
        "ssl_key_file": str(key),
        "ssl_ca_file": str(folder / "clients.pem"),
    }


async def _wait_until_ready(server: OtherPostgres) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                async with connected(server.url_of("postgres")):
                    return
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
