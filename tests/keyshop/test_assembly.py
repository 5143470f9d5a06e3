"""The shop put together: what stands in for what is not given."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from keyshop.assembly import (
    Servers,
    cache_server,
    database_server,
    embedded_servers,
    open_shop,
    supplier_url,
)
from keyshop.kit.database import Database, DatabaseUnavailable
from keyshop.settings import Settings
from keyshop.sync.rules import RunState
from tests.keyshop.test_settings import PRODUCTION, load_from

_DATABASE = "postgresql://shop@db.example/shop"
_REDIS = "redis://cache.example"


def servers_of(settings: Settings) -> list[str]:
    return [server.name for server in embedded_servers(settings)]


class TestServers:
    def test_stand_in_for_what_is_not_given(self, tmp_path: Path):
        assert servers_of(load_from(tmp_path)) == ["postgres", "valkey"]
        assert servers_of(load_from(tmp_path, DATABASE_URL=_DATABASE)) == ["valkey"]
        assert servers_of(load_from(tmp_path, REDIS_URL=_REDIS)) == ["postgres"]
        assert servers_of(load_from(tmp_path, CACHE_MODE="off")) == ["postgres"]

    def test_never_start_in_production(self, tmp_path: Path):
        settings = load_from(tmp_path, **PRODUCTION)

        assert servers_of(settings) == []
        with cache_server(settings) as cache, database_server(settings) as database:
            assert cache is None
            assert database == PRODUCTION["DATABASE_URL"]

    def test_that_are_given_are_used(self, tmp_path: Path):
        settings = load_from(tmp_path, DATABASE_URL=_DATABASE, REDIS_URL=_REDIS)

        with cache_server(settings) as cache, database_server(settings) as database:
            assert (cache, database) == (_REDIS, _DATABASE)

    def test_of_the_cache_are_left_alone_when_it_is_off(self, tmp_path: Path):
        settings = load_from(tmp_path, CACHE_MODE="off", REDIS_URL=_REDIS)

        with cache_server(settings) as cache:
            assert cache is None


class TestSupplier:
    def test_is_the_simulator_until_one_is_given(self, tmp_path: Path):
        assert supplier_url(load_from(tmp_path, SIMULATOR_PORT="9111")) == "http://127.0.0.1:9111"
        given = supplier_url(load_from(tmp_path, **PRODUCTION))
        assert given == PRODUCTION["G2A_API_URL"]


class TestShop:
    async def test_reads_the_simulators_catalogue_without_any_variable_of_the_supplier(
        self, tmp_path: Path, db: Database, database_url: str, simulator_url: str
    ):
        settings = load_from(tmp_path, SIMULATOR_PORT=str(urlsplit(simulator_url).port))

        async with open_shop(settings, Servers(database_url=database_url, redis_url=None)) as shop:
            full, stock = await shop.run_full_sync(), await shop.run_stock_check()

        assert (full.state, full.added) == (RunState.COMPLETE, 60)
        assert (stock.state, stock.updated) == (RunState.COMPLETE, 0)
        async with db.read() as reader:
            assert await reader.fetchval("SELECT count(*) FROM games WHERE price > 0") == 60

    async def test_says_at_once_that_its_database_is_away(self, tmp_path: Path):
        with pytest.raises(DatabaseUnavailable):
            async with open_shop(
                load_from(tmp_path),
                Servers(database_url="postgresql://nobody@127.0.0.1:1/nothing", redis_url=None),
            ):
                pass
