"""
The facts of a product that never change, made from the seed and the product's id.

Nothing is stored, so a million products cost no memory until they are requested. The facts are made
as JSON bytes: a dictionary per product and request would cost more than the rest of an answer.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from g2a_simulator.words import (
    ADJECTIVES,
    CATEGORIES,
    EDITIONS,
    NOUNS,
    PLATFORMS,
    REGIONS,
    STUDIOS,
    SUBTITLES,
)

FIRST_ID = 10_000_000_001_001
ID_STEP = 1_000
# Neighbouring ids are one game on several platforms and regions, as in a real catalogue.
_PRODUCTS_PER_GAME = 3

_HEAD = b'{"id":"%d","name":"%s%s%s %s Key %s","type":"egoods","slug":"/%s%s%s-%s-key-%s-i%d",'
_PICTURES = (
    b'"thumbnail":"https://images.g2a.com/g2a/58x58/1x1x0/%s/%s",'
    b'"smallImage":"https://images.g2a.com/g2a/230x336/1x1x0/%s/%s",'
    b'"coverImage":"https://images.g2a.com/g2a/0x0/1x1x1/%s/%s",'
    b'"images":["https://images.g2a.com/g2a/0x0/1x1x1/%s/%s",'
    b'"https://images.g2a.com/g2a/0x0/1x1x0/%s/%s"],'
)
_NO_PICTURES = b'"thumbnail":"","smallImage":"","coverImage":"","images":[],'
_TAIL = (
    b'"release_date":"%s","region":"%s","developer":"%s","publisher":"%s","platform":"%s",'
    b'"priceLimit":%s,%s%s"videos":[%s],"categories":[%s]'
)


class ProductFacts(NamedTuple):
    """The unchanging parts of one product as JSON, with gaps for the fields that change."""

    head: bytes  # up to `qty`
    pictures: bytes  # between `availableToBuy` and `updated_at`
    tail: bytes  # after `updated_at`, without the closing brace


def _utf8(words: tuple[str, ...] | list[str]) -> list[bytes]:
    return [word.encode() for word in words]


def _slugs(words: tuple[str, ...] | list[str]) -> list[bytes]:
    """Return the words as parts of a URL; an empty word stays empty."""
    plain = str.maketrans("éÉüÜç", "eEuUc")
    letters = ("".join(c if c.isalnum() else "-" for c in w.translate(plain)) for w in words)
    joined = ("-".join(filter(None, each.lower().split("-"))) for each in letters)
    return [f"-{each}".encode() if each else b"" for each in joined]


_TITLES = [f"{adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS]
_TITLE, _TITLE_SLUG = _utf8(_TITLES), [slug[1:] for slug in _slugs(_TITLES)]
_SUBTITLE, _SUBTITLE_SLUG = _utf8(SUBTITLES), _slugs(SUBTITLES)
_EDITION, _EDITION_SLUG = _utf8(EDITIONS), _slugs(EDITIONS)
_PLATFORM = _utf8([platform for platform, _ in PLATFORMS])
_STORE = _utf8([store for _, store in PLATFORMS])
_STORE_SLUG = [slug[1:] for slug in _slugs([store for _, store in PLATFORMS])]
_REGION = _utf8(REGIONS)
_REGION_WORD = [region or b"GLOBAL" for region in _REGION]
_REGION_SLUG = [slug[1:] for slug in _slugs([word.decode() for word in _REGION_WORD])]
_STUDIO = _utf8(STUDIOS)
_CATEGORY = [f'{{"id":{id_},"name":"{name}"}}'.encode() for id_, name in CATEGORIES]

_WARNINGS = (
    "violence",
    "profanity",
    "discrimination",
    "drugs",
    "fear",
    "gambling",
    "online",
    "sex",
)


def _restrictions(bits: int) -> bytes:
    flags = (
        f'"pegi_{name}":{"true" if bits >> place & 1 else "false"}'
        for place, name in enumerate(_WARNINGS)
    )
    return f'"restrictions":{{{",".join(flags)}}},'.encode()


def _machine(processor: str, graphics: str, memory: str, disk: str, system: str) -> str:
    return (
        f'{{"reqprocessor":"{processor}","reqgraphics":"{graphics}","reqmemory":"{memory}",'
        f'"reqdiskspace":"{disk}","reqsystem":"{system}","reqother":""}}'
    )


def _requirements(level: int) -> bytes:
    if level == 0:
        weak = strong = _machine("", "", "", "", "")
    else:
        weak = _machine(
            f"{level + 1} GHz",
            f"{level} GB VRAM",
            f"{2 * level} GB",
            f"{7 * level} GB",
            "Windows 10",
        )
        strong = _machine(
            f"{level + 2}.4 GHz", f"{2 * level} GB VRAM", f"{4 * level} GB", f"{9 * level} GB",
            "Windows 11",
        )  # fmt: skip
    return f'"requirements":{{"minimal":{weak},"recommended":{strong}}},'.encode()


_RESTRICTIONS = [_restrictions(bits) for bits in range(256)]
_REQUIREMENTS = [_requirements(level) for level in range(8)]


def build_facts_maker(seed: int, *, sandbox: bool) -> Callable[[int], ProductFacts]:
    """
    Return the function that makes the facts of a product from its id.

    In the sandbox's catalogue `type`, `region` and most price limits are empty.
    """
    salt = seed.to_bytes(16, "little", signed=True)

    def make_facts(id_: int) -> ProductFacts:
        place = (id_ - FIRST_ID) // ID_STEP
        game = blake2b(b"g%d" % (place // _PRODUCTS_PER_GAME), digest_size=24, salt=salt).digest()
        own = blake2b(b"p%d" % place, digest_size=12, salt=salt).digest()
        head = _head(id_, game, own)
        tail = _tail(game, own, sandbox=sandbox)
        if sandbox:
            head = head.replace(b'"type":"egoods"', b'"type":""', 1)
        return ProductFacts(head, _pictures(game), tail)

    return make_facts


def _head(id_: int, game: bytes, own: bytes) -> bytes:
    title = (game[0] << 8 | game[1]) % len(_TITLE)
    subtitle, edition = game[2] % len(_SUBTITLE), game[3] % len(_EDITION)
    platform, region = own[0] % len(_STORE), own[1] % len(_REGION)
    return _HEAD % (
        id_, _TITLE[title], _SUBTITLE[subtitle], _EDITION[edition],
        _STORE[platform], _REGION_WORD[region],
        _TITLE_SLUG[title], _SUBTITLE_SLUG[subtitle], _EDITION_SLUG[edition],
        _STORE_SLUG[platform], _REGION_SLUG[region], id_,
    )  # fmt: skip


def _pictures(game: bytes) -> bytes:
    if game[4] < 12:
        return _NO_PICTURES
    folder, picture = game[6:12].hex().encode(), game[12:24].hex().encode()
    return _PICTURES % ((folder, picture) * 5)


def _tail(game: bytes, own: bytes, *, sandbox: bool) -> bytes:
    return _TAIL % (
        _release_date(game),
        b"" if sandbox else _REGION[own[1] % len(_REGION)],
        _STUDIO[game[8] % len(_STUDIO)],
        _STUDIO[game[9] % len(_STUDIO)],
        _PLATFORM[own[0] % len(_PLATFORM)],
        _price_limit(own, known=own[2] < (40 if sandbox else 200)),
        _RESTRICTIONS[game[10] & game[11]],
        _REQUIREMENTS[game[12] & 7],
        b'{"type":"YOUTUBE","url":"https://www.youtube.com/watch?v=%s"}'
        % game[13:18].hex().encode()
        if game[13] & 1
        else b"",
        _categories(game),
    )


def _release_date(game: bytes) -> bytes:
    if game[14] < 20:
        return b""
    return b"%d-%02d-%02d" % (2004 + game[15] % 23, 1 + game[16] % 12, 1 + game[17] % 28)


def _price_limit(own: bytes, *, known: bool) -> bytes:
    return (
        b'{"max":%d,"min":0.%02d}' % (40 + own[3], own[4] % 90 + 10)
        if known
        else (b'{"max":null,"min":null}')
    )


def _categories(game: bytes) -> bytes:
    number = game[18] % 5
    categories = dict.fromkeys(byte % len(_CATEGORY) for byte in game[19 : 19 + number])
    return b",".join([_CATEGORY[each] for each in categories])
