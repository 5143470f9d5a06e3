"""`keyshop cache ...`: show and clear the cache in Redis."""

import asyncio
from typing import Final

import typer

from keyshop.entrypoints.cli.output import AsJson, print_json, print_record, print_table
from keyshop.entrypoints.cli.session import read_settings, require_upgraded_database
from keyshop.kit.cache.clear import clear_cache
from keyshop.kit.cache.status import CacheStatus, read_status
from keyshop.kit.multiprocess_metrics import SharedFolderCollector
from keyshop.servers import open_servers
from keyshop.settings import Settings

app = typer.Typer(no_args_is_help=True)

_READS: Final = "keyshop_cache_reads_total"


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show whether the cache is trusted, and its hit rates."""
    settings = read_settings()
    with open_servers(settings) as servers, require_upgraded_database():
        found = asyncio.run(read_status(servers.database_url, servers.redis_url))
    reads = _count_reads(settings)
    if as_json:
        print_json({"cache": found, "reads": reads})
        return
    print_record("Cache", _facts(found))
    if reads:
        print_table("Reads by running processes", ("family", "reads", "hit rate"), _rates(reads))


@app.command()
def clear(as_json: AsJson = False) -> None:
    """Drop everything in the cache; safe at any time."""
    with open_servers(read_settings()) as servers, require_upgraded_database():
        opened = asyncio.run(clear_cache(servers.database_url))
    if as_json:
        print_json({"cleared": True, "open": opened})
    elif opened:
        typer.echo("The cache was cleared and is open again.")
    else:
        typer.echo(
            "The cache was cleared. It stays closed until a worker with Redis runs; until then all"
            " reads go to PostgreSQL."
        )


def _facts(found: CacheStatus) -> list[tuple[str, object]]:
    return [
        ("trusted", "yes" if found.trusted else "no"),
        ("reason", found.reason),
        ("state", found.state),
        ("seconds closed", found.closed_seconds),
        ("epoch", found.epoch),
        ("state changes", found.seq),
        ("milliseconds to Redis and back", _milliseconds(found.round_trip_seconds)),
        ("seconds since the last relay round", found.relay_seconds),
        ("outbox rows", found.outbox.rows),
        ("seconds, oldest outbox row", found.outbox.oldest if found.outbox.rows else None),
    ]


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _count_reads(settings: Settings) -> dict[str, dict[str, int]]:
    """Return the number of reads in running processes, by family and outcome."""
    reads: dict[str, dict[str, int]] = {}
    for metric in SharedFolderCollector(settings.metrics_folder).collect():
        for sample in metric.samples:
            if sample.name == _READS:
                family = reads.setdefault(sample.labels["family"], {})
                family[sample.labels["outcome"]] = int(sample.value)
    return reads


def _rates(reads: dict[str, dict[str, int]]) -> list[tuple[str, int, str]]:
    totals = {family: sum(outcomes.values()) for family, outcomes in reads.items()}
    return [
        (family, totals[family], f"{outcomes.get('hit', 0) / totals[family]:.1%}")
        for family, outcomes in sorted(reads.items())
        if totals[family]
    ]
