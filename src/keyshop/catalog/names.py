"""Platforms, genres and categories: found by their name, made where there is none, linked."""

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Final

from msgspec import Struct

from keyshop.catalog.link_queries import Link
from keyshop.catalog.rules import loses_letters, slugify
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id

_FIND = "SELECT id, name, slug FROM {names} WHERE name = ANY($1::text[]) OR slug = ANY($2::text[])"
_ADD = """
    INSERT INTO {names} (id, name, slug)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS n (id, name, slug)
    ON CONFLICT DO NOTHING
"""
_UNLINK = """
    DELETE FROM {links} AS l USING unnest($1::text[], $2::text[]) AS gone (game_id, name_id)
    WHERE l."gameId" = gone.game_id AND l."{link}" = gone.name_id
"""


class Names(Struct, frozen=True):
    """One kind of name that games are linked to: its tables' statements."""

    find: str
    add: str
    unlink: str


def _names(names: str, links: str, link: str) -> Names:
    return Names(
        *(text.format(names=names, links=links, link=link) for text in (_FIND, _ADD, _UNLINK))
    )


PLATFORMS: Final = _names("platforms", "game_platforms", "platformId")
GENRES: Final = _names("genres", "game_genres", "genreId")
CATEGORIES: Final = _names("categories", "game_categories", "categoryId")


async def ensure_names(
    tx: Transaction, kind: Names, wanted: Collection[str]
) -> tuple[dict[str, str], int]:
    """Return the id of each wanted name, and how many had to be made."""
    found = await _find_names(tx, kind, wanted)
    missing = sorted(set(wanted) - found.keys())
    if not missing:
        return found, 0

    # Names that differ in case or punctuation alone have one slug, and so are one.
    by_slug: dict[str, str] = {_slug(name): name for name in reversed(missing)}
    made = await tx.execute(
        kind.add, [new_id() for _ in by_slug], list(by_slug.values()), list(by_slug)
    )
    # Looked up again: another writer may have made one of them in the meantime.
    return await _find_names(tx, kind, wanted), made


async def _find_names(tx: Transaction, kind: Names, wanted: Collection[str]) -> dict[str, str]:
    slugs = {name: _slug(name) for name in wanted}
    records = await tx.fetch(kind.find, list(slugs), list(slugs.values()))
    by_name = {record["name"]: record["id"] for record in records}
    by_slug = {record["slug"]: record["id"] for record in records}
    found = {name: by_name.get(name) or by_slug.get(slug) for name, slug in slugs.items()}
    return {name: id_ for name, id_ in found.items() if id_ is not None}


def _slug(name: str) -> str:
    slug = slugify(name)
    if slug and not loses_letters(name):
        return slug
    # Names in other alphabets differ in what an address cannot show.
    digest = sha256(name.encode()).hexdigest()[:12]
    return f"{slug}-{digest}" if slug else digest


async def remove_links(tx: Transaction, kind: Names, links: Iterable[Link]) -> None:
    """Take links between games and names away."""
    ordered = sorted(links)
    if ordered:
        await tx.execute(kind.unlink, [game for game, _ in ordered], [name for _, name in ordered])
