"""There is one way to commit a change of data in cached answers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import keyshop
from keyshop.cache_keys import SOURCES

_SOURCE = Path(keyshop.__file__).parent

# The modules that open a connection, and why they commit no data of cached answers.
_OWN_CONNECTIONS = {
    "kit/database/pool.py": "the pool, whose transactions are guarded",
    "kit/database/connect.py": "the one place of all connections outside the pool",
    "embedded/postgres.py": "is the server up",
}
_UNPOOLED = {
    "kit/cache/reconnecting.py": "the cache's own control row and outbox",
    "schema/connect.py": "migrations, whose triggers are heeded like any foreign writer's",
    "entrypoints/worker/connection.py": "the queue of jobs",
}
_OPENING = {"connect", "create_pool", "Connection", "Pool"}
_WRITES = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE)\s+(?:\w+\.)?(\w+)",
    re.IGNORECASE,
)
_CACHED = {source.table.rpartition(".")[2] for source in SOURCES}


class TestCommit:
    def test_is_the_only_way_to_open_a_connection(self) -> None:
        opening = {name for name, tree in _modules() for call in _calls(tree) if call in _OPENING}

        assert opening == set(_OWN_CONNECTIONS)

    def test_is_passed_by_no_connection_outside_the_pool_but_these(self) -> None:
        opening = {
            name
            for name, tree in _modules()
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            and node.module == "keyshop.kit.database.connect"
            and "connect" in {each.name for each in node.names}
        }

        assert opening == set(_UNPOOLED)

    def test_encloses_every_statement_that_writes_cached_data(self) -> None:
        writers = {
            f"{name}:{function.name}": _first_argument(function)
            for name, tree in _modules()
            for function in _functions(tree)
            if _named(function) & _writing_constants(tree)
        }

        assert len(writers) >= 5
        assert {writer for writer, taken in writers.items() if taken != "Transaction"} == set()


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in _SOURCE.rglob("*.py"):
        if "migrations" not in path.parts:
            yield path.relative_to(_SOURCE).as_posix(), ast.parse(path.read_text())


def _calls(tree: ast.Module) -> Iterator[str]:
    """Yield the driver's functions that the module calls."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "asyncpg"
        ):
            yield node.func.attr


def _functions(tree: ast.Module) -> Iterator[ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            yield node


def _writing_constants(tree: ast.Module) -> set[str]:
    """Return the names of the module's statements that write a table of cached answers."""
    writing = set()
    for node in tree.body:
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            tables = {
                match[1].lower()
                for text in ast.walk(node.value)
                if isinstance(text, ast.Constant) and isinstance(text.value, str)
                for match in _WRITES.finditer(text.value)
            }
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            if tables & _CACHED:
                writing |= {target.id for target in targets if isinstance(target, ast.Name)}
    return writing


def _named(function: ast.AsyncFunctionDef) -> set[str]:
    return {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}


def _first_argument(function: ast.AsyncFunctionDef) -> str | None:
    taken = function.args.args[0].annotation if function.args.args else None
    return taken.id if isinstance(taken, ast.Name) else None
