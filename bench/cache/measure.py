"""The section `cache`: all measurements on one running shop with Valkey and a worker."""

from time import perf_counter

from bench.cache.compare_connections import compare_connections
from bench.cache.compare_warm_reads import compare_warm_reads, list_targets
from bench.cache.databases import drop_triggers, fill_database
from bench.cache.stage import open_stage
from bench.cache.stop_redis import stop_redis
from bench.cache.time_bulk import time_bulk
from bench.cache.time_commits import time_commits
from bench.cache.time_foreign_writes import time_foreign_writes
from bench.cache.time_misses import time_misses
from bench.machine import Machine, copy_database


async def measure_cache(machine: Machine) -> None:
    games = 3_000 if machine.quick else 10_000
    begun = perf_counter()
    database_url = await fill_database(machine, "bench_cache", games=games)
    # PostgreSQL copies a database only while there is no connection to it.
    closed_url = await copy_database(machine.postgres, "bench_cache_closed", "bench_cache")
    plain_url = await drop_triggers(
        await copy_database(machine.postgres, "bench_cache_plain", "bench_cache")
    )
    machine.report.title(f"cache: {games:,} games, a worker, the API, Valkey")
    machine.report.note(f"Made in {perf_counter() - begun:.0f} s.")
    with open_stage(machine, database_url) as stage:
        targets = await list_targets(stage)
        compare_warm_reads(stage, targets)
        await compare_connections(stage)
        await time_commits(stage, closed_url=closed_url, plain_url=plain_url)
        await time_misses(stage)
        await time_foreign_writes(stage, targets["game by id"][0])
        stop_redis(stage, targets["game by id"])
        await time_bulk(machine, stage.redis_url)
    machine.report.note(f"The section took {perf_counter() - begun:.0f} s.")
