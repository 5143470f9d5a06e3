"""A running shop that tests share, and empty homes for tests that stop or break one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keyshop.entrypoints.cli.shop_process import ShopProcess, running
from tests.servers import open_home


@pytest.fixture(scope="session")
def shop() -> Iterator[ShopProcess]:
    """A shop with 100 products; a test that changes the simulator's behaviour resets it."""
    with open_home() as folder, running(folder / "home", "up") as shop:
        yield shop


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that does not exist yet."""
    with open_home() as folder:
        yield folder / "home"
