"""Servers side by side: each is asked the same in turns, and its processor time is taken."""

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
    """Of each run: microseconds of processor time for a request, and requests a second."""

    microseconds: list[float]
    rates: list[float]


def take_turns(
    servers: Sequence[Server],
    visitors: Visitors,
    asked: Sequence[str],
    *,
    rounds: int,
    tokens: Sequence[str] = (),
) -> dict[str, Costs]:
    """
    Have every server answer these targets, so many times, and return the costs by its name.

    With tokens, each connection is that of a customer.
    """
    costs = {server.name: Costs([], []) for server in servers}
    for server in servers:
        # Every connection of the pools is open and has the statements prepared.
        visitors.send(server.port, asked[: len(asked) // 4], connections=CONNECTIONS, tokens=tokens)
    for _ in range(rounds):
        for server in servers:
            before = server.process.cpu_seconds
            figures = visitors.send(server.port, asked, connections=CONNECTIONS, tokens=tokens)
            spent = (server.process.cpu_seconds - before) / len(asked) * 1e6
            costs[server.name].microseconds.append(spent)
            costs[server.name].rates.append(figures.rate)
    return costs


def repeat(targets: Sequence[str], number: int) -> list[str]:
    """Return so many targets, these in turn."""
    return (list(targets) * (number // len(targets) + 1))[:number]
