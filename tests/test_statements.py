"""PostgreSQL accepts every SQL statement of the shop."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from decimal import Decimal

import asyncpg
import msgspec

import keyshop
from keyshop.catalog.queries import CREATE_STAGED_NEW
from keyshop.catalog.staged_queries import CREATE_STAGED
from keyshop.storefront.browse_queries import page_statement
from keyshop.storefront.models import CatalogueFilter, Sort

_IS_SQL = re.compile(r"\s*(WITH|SELECT|INSERT INTO|UPDATE|DELETE FROM)\s")


class TestStatements:
    async def test_of_the_code_all_fit_the_migrated_schema(self, db) -> None:
        statements = dict(_statements())
        refused = {}

        async with db.transaction() as tx:
            await tx.execute(CREATE_STAGED)
            await tx.execute(CREATE_STAGED_NEW)
            for name, sql in statements.items():
                try:
                    async with tx.raw.transaction():
                        await tx.raw.prepare(sql)
                except asyncpg.PostgresError as error:
                    refused[name] = str(error)

        assert len(statements) > 60
        assert refused == {}


def _statements() -> Iterator[tuple[str, str]]:
    """Yield every SQL constant by its module and name, and generated statements."""
    for module in pkgutil.walk_packages(keyshop.__path__, "keyshop."):
        if module.name == "keyshop.__main__" or ".migrations" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            yield from _in_constant(f"{module.name}.{name}", value)
    for sort in Sort:
        for wanted in (CatalogueFilter(), _EVERY_FILTER, CatalogueFilter(in_stock_only=True)):
            yield f"page {sort} {wanted}", page_statement(wanted, sort)[0]


def _in_constant(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and _IS_SQL.match(value) and "{" not in value:
        yield name, value
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _in_constant(f"{name}.{field}", getattr(value, field))


_EVERY_FILTER = CatalogueFilter(
    search="witch",
    in_stock_only=True,
    price_from=Decimal(1),
    price_to=Decimal(2),
    price_below=Decimal(3),
    platforms=["steam"],
    genres=["rpg"],
    activation_services=["Steam"],
    regions=["GLOBAL"],
    publishers=["Foo, Inc."],
    multiplayer=True,
)
