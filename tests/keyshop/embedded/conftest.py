"""A home of its own for each test of the embedded servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keyshop.embedded.users import list_processes
from tests.servers import open_home


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home. Whatever a test does to its servers, in the end none may run."""
    with open_home() as folder:
        home = folder / "home"
        yield home
        assert list_processes(home) == []
