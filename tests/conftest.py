"""The fixtures of all tests: servers, databases, a supplier."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
import pytest_asyncio

from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.valkey import ValkeyServer
from tests.other_postgres import other_postgres
from tests.servers import (
    FAST,
    Postgres,
    copied_database,
    end_with_parent,
    ensure_template,
    open_run_home,
)

if TYPE_CHECKING:
    from g2a_simulator.market import Market
    from keyshop.kit.database.pool import Database

_RUN_HOME = pytest.StashKey[Path]()
_CLEANUP = pytest.StashKey[ExitStack]()


class _WorkerNode(Protocol):
    """The part of an xdist worker node that is used here."""

    config: pytest.Config
    workerinput: dict[str, str]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgresql",
        type=Path,
        metavar="DIR",
        help="Use the PostgreSQL with the programs in this folder.",
    )
    parser.addoption(
        "--kills",
        type=int,
        metavar="NUMBER",
        help="How many parts of a shop are killed while customers order.",
    )


def pytest_configure(config: pytest.Config) -> None:
    handed_over: dict[str, str] | None = getattr(config, "workerinput", None)
    if handed_over is not None:
        config.stash[_RUN_HOME] = Path(handed_over["run_home"])
        end_with_parent()
        return
    cleanup = ExitStack()
    config.stash[_RUN_HOME] = cleanup.enter_context(open_run_home())
    config.stash[_CLEANUP] = cleanup


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: _WorkerNode) -> None:
    node.workerinput["run_home"] = str(node.config.stash[_RUN_HOME])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With another PostgreSQL, run only the tests that use it."""
    if config.getoption("--postgresql") is None:
        return
    using = [item for item in items if "postgres_server" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(using)])
    items[:] = using


def pytest_unconfigure(config: pytest.Config) -> None:
    if _CLEANUP in config.stash:
        config.stash[_CLEANUP].close()


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """The PostgreSQL of this run."""
    programs: Path | None = request.config.getoption("--postgresql")
    if programs is not None:
        with other_postgres(programs) as other:
            yield other
        return
    with PostgresServer(request.config.stash[_RUN_HOME], settings=FAST) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Postgres) -> str:
    """The URL of the maintenance database of this run's PostgreSQL."""
    return postgres_server.url_of("postgres")


@pytest.fixture(scope="session")
def valkey_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of this run's Valkey."""
    with ValkeyServer(request.config.stash[_RUN_HOME]) as server:
        yield server.url


@pytest_asyncio.fixture(scope="session")
async def template_database(postgres_server: Postgres) -> str:
    """The name of a database at the newest revision, for `CREATE DATABASE ... TEMPLATE`."""
    return await ensure_template(postgres_server)


@pytest_asyncio.fixture
async def database_url(postgres_server: Postgres, template_database: str) -> AsyncIterator[str]:
    """The URL of a new, migrated database for this test alone."""
    async with copied_database(postgres_server, template_database) as url:
        yield url


@pytest_asyncio.fixture
async def db(database_url: str) -> "AsyncIterator[Database]":
    """An open `Database` on the database of this test."""
    from keyshop.kit.cache.guard import RedisCommitGuard
    from keyshop.kit.database.pool import Database

    database = Database(database_url, guard=RedisCommitGuard(None))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def market() -> "Market":
    """The state and the faults of this test's supplier."""
    from g2a_simulator.market import Market

    return Market(products=60, seed=1)


@pytest_asyncio.fixture
async def simulator_url(market: "Market") -> AsyncIterator[str]:
    """The URL of this test's supplier."""
    from g2a_simulator.server import serve

    async with serve(market) as url:
        yield url
