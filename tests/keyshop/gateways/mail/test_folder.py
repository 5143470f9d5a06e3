"""Mails that are written to files."""

import asyncio
import email
from email.policy import default
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from keyshop.gateways.mail.connect import open_mailer
from keyshop.gateways.mail.folder import FolderMailer
from keyshop.mail.protocol import MailRefused, MailUnavailable
from tests.keyshop.gateways.mail.mails import NOON, SENDER, VALUES, make_mail


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "mail"


@pytest.fixture
def mailer(folder: Path) -> FolderMailer:
    return FolderMailer(folder, sender=SENDER, clock=lambda: NOON)


class TestFolderMailer:
    async def test_writes_a_mail_that_mail_programs_open(self, mailer: FolderMailer, folder: Path):
        await mailer.send(make_mail())

        (path,) = folder.iterdir()
        mail = email.message_from_bytes(path.read_bytes(), policy=default)
        text, page = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert page is not None
        assert path.name == "welcome-1.eml"
        assert mail["To"] == "alice@example.com"
        assert mail["From"] == "Kéyshop <shop@shop.example>"
        assert mail["Subject"] == "Welcome: please confirm your e-mail address"
        assert mail["Message-ID"] == "<welcome-1@shop.example>"
        assert mail["Date"] == "Mon, 15 Jun 2026 12:00:00 +0000"
        assert VALUES["code"] in text.get_content()
        assert VALUES["link"] in text.get_content()
        assert VALUES["code"] in page.get_content()

    async def test_writes_files_that_only_their_owner_can_read(
        self, mailer: FolderMailer, folder: Path
    ):
        await mailer.send(make_mail())

        (path,) = folder.iterdir()
        assert path.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700

    async def test_replaces_a_mail_of_the_same_id(self, mailer: FolderMailer, folder: Path):
        await asyncio.gather(*(mailer.send(make_mail()) for _ in range(5)))
        await mailer.send(make_mail(id="welcome-2"))

        assert len(list(folder.iterdir())) == 2

    async def test_never_writes_outside_the_folder(self, mailer: FolderMailer, folder: Path):
        await mailer.send(make_mail(id="../../etc/x"))

        assert [path.parent for path in folder.rglob("*")] == [folder]

    async def test_logs_the_path_of_the_mail_and_none_of_its_content(self, mailer: FolderMailer):
        with capture_logs() as logs:
            await mailer.send(make_mail())

        (line,) = logs
        assert line["path"].endswith(".eml")
        assert "alice" not in str(line)
        assert VALUES["code"] not in str(line)

    async def test_reports_an_unwritable_folder_as_a_passing_fault(
        self, mailer: FolderMailer, folder: Path
    ):
        folder.parent.mkdir()
        folder.write_text("a file in the way")

        with pytest.raises(MailUnavailable, match="cannot be written"):
            await mailer.send(make_mail())

    async def test_refuses_an_invalid_address(self, mailer: FolderMailer, folder: Path):
        with pytest.raises(MailRefused):
            await mailer.send(make_mail(to="alice@example.com\r\nBcc: bob@example.com"))

        assert not folder.exists()


class TestOpenMailer:
    def test_writes_files_when_no_server_is_set(self, folder: Path):
        mailer = open_mailer(smtp_url=None, mail_from="keyshop@localhost", folder=folder)

        assert isinstance(mailer, FolderMailer)
