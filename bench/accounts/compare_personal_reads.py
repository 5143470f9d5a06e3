"""The section `personal`: a customer's cart and profile, compared with a minimal handler."""

import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Final

import asyncpg
import msgspec

from bench.accounts.crowd import Crowd, Request
from bench.accounts.people import new_people
from bench.accounts.token_reference import PATHS, KnownAnswers, read_user, token_reference
from bench.cache.databases import fill_database
from bench.cache.stage import Stage, open_stage
from bench.load import Visitors
from bench.machine import Machine
from bench.report import Goal
from bench.take_turns import CONNECTIONS, Server, take_turns

_LINES: Final = 3  # games in each cart
_REFERENCES: Final = ("token+get", "behind-edge")
_SOME_GAMES: Final = 'SELECT id FROM games WHERE "inStock" ORDER BY id LIMIT $1'
_MIN_SPEED: Final = 0.7


class _Tokens(msgspec.Struct):
    token: str


class _SignedUp(msgspec.Struct):
    data: _Tokens


async def compare_personal_reads(machine: Machine) -> None:
    """Measure the shop and the reference servers in turns, and print the medians."""
    database_url = await fill_database(machine, "bench_personal", games=1_000)
    secret = secrets.token_hex(32)
    more = {
        "TRUSTED_PROXIES": "127.0.0.1",
        "JWT_SECRET": secret,
        "JWT_REFRESH_SECRET": secrets.token_hex(32),
    }
    rounds = 3 if machine.quick else 7
    machine.report.title(
        f"personal: cart of {_LINES} games and profile, {CONNECTIONS} customers; medians of"
        f" {rounds} runs in turns; µs of processor time of the server process alone"
    )
    with open_stage(machine, database_url, more) as stage, Crowd(machine) as crowd:
        tokens = _sign_up(stage, crowd, await _some_games(database_url))
        known = KnownAnswers(secret, _read_all(stage, crowd, tokens, secret))
        _compare(stage, known, tokens, rounds=rounds)


async def _some_games(database_url: str) -> list[str]:
    connection = await asyncpg.connect(database_url, ssl=False)
    try:
        return [record[0] for record in await connection.fetch(_SOME_GAMES, _LINES)]
    finally:
        await connection.close()


def _sign_up(stage: Stage, crowd: Crowd, games: Sequence[str]) -> list[str]:
    """Return the tokens of new customers, each with these games in the cart."""
    people = new_people(CONNECTIONS)
    answers = _send(stage, crowd, [person.register() for person in people])
    tokens = [msgspec.json.decode(body, type=_SignedUp).data.token for body in answers]
    for game_id in games:
        _send(
            stage,
            crowd,
            [
                person.add_to_cart(token, game_id)
                for person, token in zip(people, tokens, strict=True)
            ],
        )
    return tokens


def _read_all(
    stage: Stage, crowd: Crowd, tokens: Sequence[str], secret: str
) -> dict[tuple[str, str], bytes]:
    (reader,) = new_people(1)
    pairs = [(path, token) for path in PATHS for token in tokens]
    answers = _send(stage, crowd, [reader.get(path, token) for path, token in pairs])
    return {
        (path, read_user(f"Bearer {token}", secret)): body.encode()
        for (path, token), body in zip(pairs, answers, strict=True)
    }


def _send(stage: Stage, crowd: Crowd, requests: Sequence[Request]) -> list[str]:
    """
    Send the requests and return the bodies of the answers.

    Raises:
        RuntimeError: an answer has a status other than 200 or 201.
    """
    answers = crowd.send(stage.port, requests, max_parallel=CONNECTIONS).answers
    for answer in answers:
        if answer.status not in {200, 201}:
            raise RuntimeError(f"The shop answered {answer.status}: {answer.body[:300]}")
    return [answer.body for answer in answers]


def _compare(stage: Stage, known: KnownAnswers, tokens: Sequence[str], *, rounds: int) -> None:
    machine = stage.machine
    machine.report.line("", *_REFERENCES, "keyshop")
    with ExitStack() as stack:
        servers = [
            Server(
                name, *stack.enter_context(token_reference(machine, name, known, stage.redis_url))
            )
            for name in _REFERENCES
        ]
        servers.append(Server("keyshop", stage.api, stage.port))
        visitors = stack.enter_context(Visitors(machine))
        for path in PATHS:
            _compare_page(stage, path, servers, visitors, tokens, rounds=rounds)


def _compare_page(
    stage: Stage,
    path: str,
    servers: Sequence[Server],
    visitors: Visitors,
    tokens: Sequence[str],
    *,
    rounds: int,
) -> None:
    report, targets = stage.machine.report, [path] * (1_000 if stage.machine.quick else 3_000)
    before = stage.count_reads()
    costs = take_turns(servers, visitors, targets, rounds=rounds, tokens=tokens)
    after = stage.count_reads()
    token, edge, ours = (median(costs[server.name].microseconds) for server in servers)
    report.line(f"{path}, µs/request", token, edge, ours)
    report.line("  requests/s", *(median(costs[server.name].rates) for server in servers))
    report.line("  speed of behind-edge reached", edge / ours)
    hits = after.get("hit", 0) - before.get("hit", 0)
    reads = sum(after.values()) - sum(before.values())
    report.goals(
        Goal(text=f"  {path}: speed of token+get reached", value=token / ours, least=_MIN_SPEED),
        Goal(text=f"  {path}: share of hits", value=hits / reads, least=0.99),
    )
