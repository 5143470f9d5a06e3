"""What orders need of a process of the shop."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from keyshop.keys.settings import Vault
from keyshop.kit.high_water_mark import HighWaterMark
from keyshop.kit.secrets import Secret
from keyshop.orders.dependencies import OrderParts
from tests.factories.vault import make_ring


@cache
def order_parts() -> OrderParts:
    """Return what orders need: the keys of `make_vault`, and one mark for all tests of a process."""
    folder = Path(tempfile.mkdtemp(prefix="keyshop-marks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return OrderParts(
        vault=Vault(ring=make_ring(), fingerprint_key=Secret("f" * 32)),
        mark=HighWaterMark.open(folder, machine="tests", identity="tests"),
    )
