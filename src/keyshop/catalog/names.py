"""Platforms, genres and categories: find them by name, create missing ones, remove links."""

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Final

from msgspec import Struct

from keyshop.catalog.link_queries import Link
from keyshop.catalog.rules import loses_letters, slugify
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id

_FIND = "SELECT id, name, slug FROM {names} WHERE name = ANY($1::text[]) OR slug = ANY($2::text[])"
_INSERT = """
    INSERT INTO {names} (id, name, slug)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS n (id, name, slug)
    ON CONFLICT DO NOTHING
"""
_UNLINK = """
    DELETE FROM {links} AS l USING unnest($1::text[], $2::text[]) AS gone (game_id, name_id)
    WHERE l."gameId" = gone.game_id AND l."{link}" = gone.name_id
"""


class NameKind(Struct, frozen=True):
    """The statements for one kind of name that games are linked to."""

    find: str
    insert: str
    unlink: str


def _name_kind(table: str, link_table: str, link_column: str) -> NameKind:
    return NameKind(
        *(
            text.format(names=table, links=link_table, link=link_column)
            for text in (_FIND, _INSERT, _UNLINK)
        )
    )


PLATFORMS: Final = _name_kind("platforms", "game_platforms", "platformId")
GENRES: Final = _name_kind("genres", "game_genres", "genreId")
CATEGORIES: Final = _name_kind("categories", "game_categories", "categoryId")


async def ensure_names(
    tx: Transaction, kind: NameKind, names: Collection[str]
) -> tuple[dict[str, str], int]:
    """Return the id of each name, and how many names were created."""
    found = await _find_names(tx, kind, names)
    missing = sorted(set(names) - found.keys())
    if not missing:
        return found, 0

    # Names that differ only in case or punctuation share a slug, so they become one name.
    by_slug: dict[str, str] = {_slug(name): name for name in reversed(missing)}
    created = await tx.execute(
        kind.insert, [new_id() for _ in by_slug], list(by_slug.values()), list(by_slug)
    )
    # Another writer may have created one of them in the meantime, with another id.
    return await _find_names(tx, kind, names), created


async def _find_names(tx: Transaction, kind: NameKind, names: Collection[str]) -> dict[str, str]:
    slugs = {name: _slug(name) for name in names}
    records = await tx.fetch(kind.find, list(slugs), list(slugs.values()))
    by_name = {record["name"]: record["id"] for record in records}
    by_slug = {record["slug"]: record["id"] for record in records}
    found = {name: by_name.get(name) or by_slug.get(slug) for name, slug in slugs.items()}
    return {name: id_ for name, id_ in found.items() if id_ is not None}


def _slug(name: str) -> str:
    slug = slugify(name)
    if slug and not loses_letters(name):
        return slug
    # Two names in another alphabet may have one slug; the digest tells them apart.
    digest = sha256(name.encode()).hexdigest()[:12]
    return f"{slug}-{digest}" if slug else digest


async def remove_links(tx: Transaction, kind: NameKind, links: Iterable[Link]) -> None:
    ordered = sorted(links)
    if ordered:
        await tx.execute(kind.unlink, [game for game, _ in ordered], [name for _, name in ordered])
