"""The metrics of all processes of a shop, read from the folder that they share."""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_log = structlog.get_logger(__name__)

# The library's format: how many bytes are used, then series. A series is the length of its key, the
# key with one to eight bytes of padding, its value and a time.
_LENGTH: Final = struct.Struct("i")
_HEAD: Final = 8  # bytes
_VALUE: Final = 16  # bytes
_KEY: Final = msgspec.json.Decoder(tuple[str, str, dict[str, str], str])


class SharedFolderCollector(Collector):
    """
    Collects from the folder of `keyshop.kit.metrics.share_metrics`.

    A file that is damaged or half written is left out and named in a warning:
    the library would fail, or never end, and the metrics of all other processes would be missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._named: set[str] = set()

    def collect(self) -> Iterable[Metric]:
        return _merge([file for file in sorted(self._folder.glob("*.db")) if self._is_sound(file)])

    def _is_sound(self, file: Path) -> bool:
        try:
            data = file.read_bytes()
            if not data:
                return False  # a process creates its file a moment before it writes to it
            _check(data)
            _merge([file])
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it
            if file.name not in self._named:
                self._named.add(file.name)
                _log.warning("metrics.file_skipped", file=file.name, reason=type(error).__name__)
            return False
        self._named.discard(file.name)
        return True


def _merge(files: list[Path]) -> Iterable[Metric]:
    # The library has no types for it.
    metrics: Iterable[Metric] = MultiProcessCollector.merge(  # type: ignore[no-untyped-call]
        [str(file) for file in files]
    )
    return metrics


def _check(data: bytes) -> None:
    """
    Walk through the series of a file.

    Raises:
        struct.error, ValueError, msgspec.MsgspecError: the file is damaged.
    """
    used = _LENGTH.unpack_from(data)[0] or _HEAD
    position = _HEAD
    while position < used <= len(data):
        length = _LENGTH.unpack_from(data, position)[0]
        if length <= 0:
            raise ValueError("A key has no length.")
        begin = position + _LENGTH.size
        _KEY.decode(data[begin : begin + length])
        position = begin + length + 8 - (length + _LENGTH.size) % 8 + _VALUE
    if position != used:
        raise ValueError("The last series is incomplete.")
