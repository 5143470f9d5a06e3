"""Cached answers, compared with servers that only get the same bytes from Redis."""

from contextlib import ExitStack
from statistics import median
from typing import Final

import asyncpg

from bench.cache.stage import Stage
from bench.load import Visitors
from bench.reference_servers import RecordedAnswer, reference_server
from bench.report import Goal
from bench.take_turns import CONNECTIONS, Server, repeat, take_turns

_GAMES: Final = 200  # different games
_SOME_GAMES: Final = 'SELECT id FROM games WHERE "inStock" ORDER BY id LIMIT $1'
_REFERENCES: Final = ("bare", "get", "redis-py", "edge+get")


async def list_targets(stage: Stage) -> dict[str, list[str]]:
    """Return the paths to request, by name."""
    connection = await asyncpg.connect(stage.database_url, ssl=False)
    try:
        ids = [record[0] for record in await connection.fetch(_SOME_GAMES, _GAMES)]
    finally:
        await connection.close()
    return {
        "game by id": [f"/api/games/{id_}" for id_ in ids],
        "best sellers": ["/api/games/best-sellers"],
        "catalogue page of 36": ["/api/games?inStockOnly=true&genres=action&sort=price-asc"],
    }


def compare_warm_reads(stage: Stage, targets: dict[str, list[str]]) -> None:
    """Measure all servers in turns, and print the medians."""
    report, rounds = stage.machine.report, _rounds(stage)
    recorded = {
        target: RecordedAnswer([], stage.get(target))
        for group in targets.values()
        for target in group
    }
    report.title(
        f"cache, warm reads: {CONNECTIONS} connections, medians of {rounds} runs in turns;"
        " µs of processor time of the server process alone"
    )
    report.line("", *_REFERENCES, "keyshop")
    with ExitStack() as stack:
        servers = [
            Server(
                name,
                *stack.enter_context(
                    reference_server(stage.machine, name, recorded, stage.redis_url)
                ),
            )
            for name in _REFERENCES
        ]
        servers.append(Server("keyshop", stage.api, stage.port))
        visitors = stack.enter_context(Visitors(stage.machine))
        for name, group in targets.items():
            _compare(
                stage,
                name,
                repeat(group, 1_000 if stage.machine.quick else 2_000),
                servers,
                visitors,
            )


def _compare(
    stage: Stage, name: str, requested: list[str], servers: list[Server], visitors: Visitors
) -> None:
    before = stage.count_reads()
    costs = take_turns(servers, visitors, requested, rounds=_rounds(stage))
    after = stage.count_reads()
    bare, get, usual, edge, ours = (median(costs[server.name].microseconds) for server in servers)
    report = stage.machine.report
    report.line(f"{name}, µs/request", bare, get, usual, edge, ours)
    report.line("  requests/s", *(median(costs[server.name].rates) for server in servers))
    report.line("  of them the shop's edge; speed of edge+get", edge - get, edge / ours)
    hits = after.get("hit", 0) - before.get("hit", 0)
    reads = sum(after.values()) - sum(before.values())
    report.goals(
        Goal(text=f"  {name}: speed of one GET reached", value=get / ours, least=0.8),
        Goal(text=f"  {name}: speed of bare reached", value=bare / ours, least=0.2),
        Goal(text=f"  {name}: share of hits", value=hits / reads, least=0.99),
    )


def _rounds(stage: Stage) -> int:
    return 3 if stage.machine.quick else 5
