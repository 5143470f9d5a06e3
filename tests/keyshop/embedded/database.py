"""Queries to an embedded server, for tests without an event loop."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import asyncpg

from keyshop.embedded.valkey import ValkeyServer


def run_sql(url: str, *statements: str) -> object:
    """Run the statements on a new connection and return the first value of the last one."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, _ask(url, statements)).result()


def send_raw(server: ValkeyServer, command: str) -> str:
    """Send a raw command and return the raw answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(f"AUTH {server.password}\r\n{command}\r\nQUIT\r\n".encode())
        lines = b"".join(iter(lambda: connection.recv(4096), b"")).decode().split("\r\n")
    return "\n".join(lines[1:-2])


async def _ask(url: str, statements: tuple[str, ...]) -> object:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()
