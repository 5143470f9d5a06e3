"""Homes for the tests of the embedded servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keyshop.embedded.users import list_processes
from tests.servers import open_home


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home; after the test, none of its servers may run."""
    with open_home() as folder:
        home = folder / "home"
        yield home
        assert list_processes(home) == []


@pytest.fixture(scope="session")
def _kept_home() -> Iterator[Path]:
    with open_home() as folder:
        yield folder / "home"


@pytest.fixture
def used_home(_kept_home: Path) -> Iterator[Path]:
    """A home whose servers may have been started before, since a first start takes a second."""
    yield _kept_home
    assert list_processes(_kept_home) == []
