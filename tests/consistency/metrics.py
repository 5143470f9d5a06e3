"""Reads the shop's figures from /metrics."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import msgspec

_READS: Final = re.compile(r"^keyshop_cache_reads_total\{([^}]*)\} ([0-9.e+]+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_SECONDS: Final = 2.0

_browser: Final = build_opener(ProxyHandler({}))


def fetch(url: str) -> str | None:
    """Return the body of an answer with status 200, or None."""
    try:
        with _browser.open(url, timeout=_SECONDS) as answer:
            body: bytes = answer.read()
            return body.decode()
    except (URLError, OSError):
        return None


def read_hits(base_url: str) -> int | None:
    """Return the number of cache hits; None where /metrics has none."""
    found = read_cache_reads(base_url)
    return sum(outcomes["hit"] for outcomes in found.values()) if found else None


def read_cache_reads(base_url: str) -> dict[str, Counter[str]]:
    """Return the number of cache reads, by family and outcome."""
    return parse_cache_reads(fetch(f"{base_url}/metrics") or "")


def parse_cache_reads(text: str) -> dict[str, Counter[str]]:
    """Parse the cache reads, by family and outcome, from the text of /metrics."""
    found: dict[str, Counter[str]] = {}
    for labels, figure in _READS.findall(text):
        label = dict(_LABEL.findall(labels))
        of_family = found.setdefault(label.get("family", ""), Counter())
        of_family[label.get("outcome", "")] += int(float(figure))
    return found


def count_inside(path: Path) -> dict[str, Counter[str]]:
    """Return the same counts as a reader inside the shop wrote them."""
    counts = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, int]])
    return {family: Counter(outcomes) for family, outcomes in counts.items()}


def add_up(counts: Iterable[Mapping[str, Counter[str]]]) -> dict[str, Counter[str]]:
    """Return the sum of several processes' counts."""
    total: dict[str, Counter[str]] = {}
    for count in counts:
        for family, outcomes in count.items():
            total.setdefault(family, Counter()).update(outcomes)
    return total
