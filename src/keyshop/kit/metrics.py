"""Metrics that all processes of a shop share, as files in one folder."""

import os
import re
import sys
from pathlib import Path
from typing import Final

from keyshop.kit.processes import is_living

_FILE: Final = re.compile(r"[a-z]+_(\d+)\.db")  # the library's file names: kind and pid


def share_metrics(folder: Path) -> None:
    """
    Make this process write its metrics into the folder; call it before prometheus_client is imported.

    The library chooses at its import. The metrics of a process that kept them in memory would be
    missing at the shop's one address.

    Raises:
        RuntimeError: prometheus_client was imported already.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("prometheus_client was imported before its folder was chosen.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def delete_ended_metrics(folder: Path) -> None:
    """
    Delete the metrics of processes that have ended; call it when the shop starts.

    While other processes run, the totals would fall a little, which looks like a restart of all.
    """
    for file in folder.glob("*.db"):
        name = _FILE.fullmatch(file.name)
        if name and not is_living(int(name[1])):
            file.unlink(missing_ok=True)
