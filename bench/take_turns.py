"""Sends the same requests to several servers in turns, and measures their processor time."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bench.load import Visitors
from bench.machine import Process

CONNECTIONS: Final = 8


class Server(Struct, frozen=True):
    """One of the servers that are compared."""

    name: str
    process: Process
    port: int


class Costs(Struct, frozen=True):
    """Processor time of a request in microseconds, and requests a second, of each run."""

    microseconds: list[float]
    rates: list[float]


def take_turns(
    servers: Sequence[Server],
    visitors: Visitors,
    requested: Sequence[str],
    *,
    rounds: int,
    tokens: Sequence[str] = (),
) -> dict[str, Costs]:
    """
    Request the targets from every server, in `rounds` turns; return the costs by server name.

    With tokens, each connection belongs to a customer.
    """
    costs = {server.name: Costs([], []) for server in servers}
    for server in servers:
        # Opens every connection of the pools and prepares their statements.
        visitors.send(
            server.port, requested[: len(requested) // 4], connections=CONNECTIONS, tokens=tokens
        )
    for _ in range(rounds):
        for server in servers:
            before = server.process.cpu_seconds
            figures = visitors.send(server.port, requested, connections=CONNECTIONS, tokens=tokens)
            spent = (server.process.cpu_seconds - before) / len(requested) * 1e6
            costs[server.name].microseconds.append(spent)
            costs[server.name].rates.append(figures.rate)
    return costs


def repeat(targets: Sequence[str], number: int) -> list[str]:
    """Return `number` targets: these, repeated in turn."""
    return (list(targets) * (number // len(targets) + 1))[:number]
