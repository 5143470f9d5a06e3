"""The section `api`: processor time of a request, compared with the reference servers."""

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from statistics import median
from typing import Any, Final

from msgspec import Struct

from bench.load import Visitors
from bench.machine import Machine, keyshop_api
from bench.reference_servers import RecordedAnswer, Recorder, reference_server
from bench.report import Goal
from bench.take_turns import CONNECTIONS, Server, repeat, take_turns
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import body_of
from keyshop.storefront.browse_catalogue import browse_catalogue
from keyshop.storefront.list_games import list_best_sellers
from keyshop.storefront.models import CatalogueFilter, CatalogueQuery, Sort
from keyshop.storefront.show_game import show_game

_NO_CACHE: Final = PassThrough()
_GAMES: Final = 200  # different games that are requested by id

_SOME_GAMES: Final = 'SELECT id FROM games WHERE "inStock" ORDER BY id LIMIT $1'

Read = Callable[[Database], Coroutine[Any, Any, bytes]]


class _Endpoint(Struct, frozen=True):
    name: str
    reads: dict[str, Read]
    requests: int


async def compare_api(machine: Machine, database_url: str) -> None:
    """Measure all servers in turns, several times, and print the medians."""
    db = Recorder(database_url)
    await db.open()
    try:
        endpoints = await _endpoints(db, quick=machine.quick)
        recorded = {
            target: await _record(db, read)
            for endpoint in endpoints
            for target, read in endpoint.reads.items()
        }
    finally:
        await db.close()
    with ExitStack() as stack:
        servers = [
            Server(
                "bare",
                *stack.enter_context(reference_server(machine, "bare", recorded, database_url)),
            ),
            Server(
                "raw",
                *stack.enter_context(reference_server(machine, "raw", recorded, database_url)),
            ),
            Server("keyshop", *stack.enter_context(keyshop_api(machine, database_url))),
        ]
        visitors = stack.enter_context(Visitors(machine))
        _compare(machine, endpoints, servers, visitors)


async def _endpoints(db: Database, *, quick: bool) -> list[_Endpoint]:
    async with db.read() as reader:
        ids = [record[0] for record in await reader.fetch(_SOME_GAMES, _GAMES)]
    share = 3 if quick else 1
    wanted = CatalogueFilter(in_stock_only=True, genres=["action"], platforms=["steam"])
    return [
        _Endpoint(
            "game by id", {f"/api/games/{id_}": _game_read(id_) for id_ in ids}, 6000 // share
        ),
        _Endpoint(
            "best sellers",
            {
                "/api/games/best-sellers": lambda db: list_best_sellers(
                    db, _NO_CACHE, genre=None, now=utc_now()
                )
            },
            1800 // share,
        ),
        _Endpoint(
            "catalogue page, 36 of two filters",
            {
                "/api/games?inStockOnly=true&genres=action&platforms=steam&sort=price-asc": (
                    lambda db: browse_catalogue(
                        db,
                        _NO_CACHE,
                        CatalogueQuery(
                            filters=wanted, sort=Sort.PRICE_ASCENDING, page=1, page_size=36
                        ),
                        now=utc_now(),
                    )
                )
            },
            1500 // share,
        ),
    ]


def _game_read(game_id: str) -> Read:
    return lambda db: show_game(db, _NO_CACHE, game_id=game_id, now=utc_now())


async def _record(db: Recorder, read: Read) -> RecordedAnswer:
    db.statements.clear()
    body = body_of(await read(db))
    return RecordedAnswer(list(db.statements), body)


def _compare(
    machine: Machine, endpoints: list[_Endpoint], servers: list[Server], visitors: Visitors
) -> None:
    report, rounds = machine.report, 3 if machine.quick else 5
    report.title(
        f"api: {CONNECTIONS} connections, medians of {rounds} runs in turns;"
        " processor time of the server process alone"
    )
    report.line("", *(server.name for server in servers), "raw/keyshop", "bare/keyshop")
    for endpoint in endpoints:
        targets = repeat(list(endpoint.reads), endpoint.requests)
        costs = take_turns(servers, visitors, targets, rounds=rounds)
        bare, raw, ours = (median(costs[server.name].microseconds) for server in servers)
        report.line(f"{endpoint.name}, µs/request", bare, raw, ours, raw / ours, bare / ours)
        report.line("  requests/s", *(median(costs[server.name].rates) for server in servers))
        report.goals(
            Goal(text=f"  {endpoint.name}: speed of raw reached", value=raw / ours, least=0.6)
        )
