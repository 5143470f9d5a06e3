"""Counters that all processes of a shop share, through files in one folder."""

import os
import sys
from pathlib import Path


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
