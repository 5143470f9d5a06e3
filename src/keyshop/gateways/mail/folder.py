"""Writes mails to files, when no mail server is set."""

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email.headerregistry import Address
from pathlib import Path
from typing import Final

import structlog

from keyshop.gateways.mail.message import build_message
from keyshop.kit.clock import utc_now
from keyshop.kit.ids import new_id
from keyshop.mail.protocol import Mail, MailUnavailable

_log = structlog.get_logger(__name__)

_UNSAFE_CHARACTER: Final = re.compile(r"[^A-Za-z0-9_-]")


class FolderMailer:
    """Writes each mail to a file that mail programs can open."""

    def __init__(
        self, folder: Path, *, sender: Address, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._folder = folder
        self._sender = sender
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        """
        Write the mail; a second one of the same id replaces the first.

        Raises:
            MailRefused: its address is invalid.
            MailUnavailable: the folder cannot be written to.
        """
        message = build_message(mail, sender=self._sender, now=self._clock())
        path = self._folder / f"{_UNSAFE_CHARACTER.sub('_', mail.id)}.eml"
        try:
            await asyncio.to_thread(_write, path, message.as_bytes())
        except OSError as error:
            raise MailUnavailable(
                f"The mail cannot be written to {self._folder}: {error.strerror}."
            ) from None
        _log.info("mail written", operation="mail", template=mail.template, path=str(path))


def _write(path: Path, content: bytes) -> None:
    # The mails hold codes and links that give access to accounts.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{new_id()}.tmp")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        with suppress(OSError):
            aside.unlink()
        raise
