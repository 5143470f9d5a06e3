"""`keyshop cache ...`: whether Redis is believed, and dropping all that is in it."""

import asyncio
from typing import Final

import typer

from keyshop.assembly import open_servers
from keyshop.entrypoints.cli.output import AsJson, print_json, print_record, print_table
from keyshop.entrypoints.cli.session import read_settings, upgraded
from keyshop.kit.cache.clear import clear_cache
from keyshop.kit.cache.status import CacheStatus, read_status
from keyshop.kit.multiprocess_metrics import SharedFolderCollector
from keyshop.settings import Settings

app = typer.Typer(no_args_is_help=True)

_READS: Final = "keyshop_cache_reads_total"


@app.command()
def status(as_json: AsJson = False) -> None:
    """Tell whether what is kept is trusted, and how often it serves."""
    settings = read_settings()
    with open_servers(settings) as servers, upgraded():
        found = asyncio.run(read_status(servers.database_url, servers.redis_url))
    reads = _count_reads(settings)
    if as_json:
        print_json({"cache": found, "reads": reads})
        return
    print_record("Cache", _facts(found))
    if reads:
        print_table("Reads of the running processes", ("family", "reads", "hits"), _rates(reads))


@app.command()
def clear(as_json: AsJson = False) -> None:
    """Drop everything that is kept; safe at any time."""
    with open_servers(read_settings()) as servers, upgraded():
        opened = asyncio.run(clear_cache(servers.database_url))
    if as_json:
        print_json({"cleared": True, "open": opened})
    elif opened:
        typer.echo("Everything was dropped, and the cache is open again.")
    else:
        typer.echo(
            "Everything was dropped. The cache stays closed until a worker with Redis runs;"
            " until then all reads are PostgreSQL's."
        )


def _facts(found: CacheStatus) -> list[tuple[str, object]]:
    return [
        ("trusted", "yes" if found.trusted else "no"),
        ("because", found.reason),
        ("state", found.state),
        ("closed for, s", found.closed_seconds),
        ("epoch", found.epoch),
        ("changes of state", found.seq),
        ("last relay round, s ago", found.relay_seconds),
        ("rows to deliver", found.outbox.rows),
        ("the oldest of them, s", found.outbox.oldest if found.outbox.rows else None),
    ]


def _count_reads(settings: Settings) -> dict[str, dict[str, int]]:
    """Return the reads that running processes have counted, by family and outcome."""
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
