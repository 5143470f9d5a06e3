"""Reading the project's documents."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_ROW = re.compile(r"^\| ([A-Z][A-Z0-9-]*[0-9]) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)
_LESSON = re.compile(r"^\| (T[0-9]+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
_NAME = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")

Row = tuple[str, str, str, str]


def list_requirements() -> list[Row]:
    """List the rows of the requirements: id, sentence, where, test."""
    text = (DOCS / "requirements.md").read_text(encoding="utf-8")
    return [(row[0], row[1], row[2], row[3]) for row in _ROW.findall(text)]


def list_lessons() -> list[tuple[str, str, str]]:
    """List the rows of what the field taught: id, sentence, test."""
    text = (DOCS / "requirements.md").read_text(encoding="utf-8")
    return [(row[0], row[1], row[2]) for row in _LESSON.findall(text)]


def list_names(cell: str) -> list[str]:
    """List what a cell names in backticks."""
    return _NAME.findall(cell)


def list_links(page: Path) -> list[str]:
    """List the files that a page links to, without addresses in the web."""
    links = _LINK.findall(page.read_text(encoding="utf-8"))
    return [link for link in links if "://" not in link]


def list_pages() -> list[Path]:
    """List all documents."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def has_test(name: str) -> bool:
    """Test whether `file::class::function` or `file::function` is a test that exists."""
    file, *path = name.split("::")
    return bool(path) and tuple(path) in _tests_of(ROOT / file)


@cache
def _tests_of(file: Path) -> frozenset[tuple[str, ...]]:
    if not file.is_file() or not file.name.startswith("test_"):
        return frozenset()
    module = ast.parse(file.read_text(encoding="utf-8"))
    found: set[tuple[str, ...]] = {(name,) for name in _functions(module.body)}
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            found |= {(node.name, name) for name in _functions(node.body)}
    return frozenset(found)


def _functions(body: list[ast.stmt]) -> list[str]:
    functions = [n for n in body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node.name for node in functions if node.name.startswith("test_")]
