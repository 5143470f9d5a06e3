"""The shop's own figures, as /metrics tells them."""

import re
from collections import Counter
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


def read_cache_reads(base_url: str) -> Counter[str]:
    """Return how often the cache was asked, by outcome; nothing where there are no such figures."""
    return parse_cache_reads(fetch(f"{base_url}/metrics") or "")


def parse_cache_reads(text: str) -> Counter[str]:
    """Return the cache's reads by outcome out of the text of /metrics."""
    found: Counter[str] = Counter()
    for labels, figure in _READS.findall(text):
        outcome = dict(_LABEL.findall(labels)).get("outcome", "")
        found[outcome] += int(float(figure))
    return found


def count_personal_reads(notes: Path) -> dict[str, Counter[str]]:
    """Return how often readers inside the shop asked the cache, by family and outcome."""
    found: dict[str, Counter[str]] = {}
    for path in notes.glob("persons*.figures"):
        counts = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, int]])
        for family, outcomes in counts.items():
            found.setdefault(family, Counter()).update(outcomes)
    return found
