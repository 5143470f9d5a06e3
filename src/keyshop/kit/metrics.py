"""Counters that all processes of a shop share, through files in one folder."""

import os
import re
import sys
from pathlib import Path
from typing import Final

from keyshop.kit.processes import is_living

_FILE: Final = re.compile(r"[a-z]+_(\d+)\.db")  # as the library names them: kind and process


def share_metrics(folder: Path) -> None:
    """
    Let this process count into the folder, where every process of the shop does.

    The counting library decides when it is imported, so this must come before; a process that
    counted for itself alone would be lost at the shop's one address.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("prometheus_client was imported before its folder was chosen.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def forget_ended(folder: Path) -> None:
    """
    Remove the counts of processes that have ended; a shop that starts counts from nothing.

    Not while the others go on: figures that fall a little look as if all had started anew.
    """
    for file in folder.glob("*.db"):
        name = _FILE.fullmatch(file.name)
        if name and not is_living(int(name[1])):
            file.unlink(missing_ok=True)
