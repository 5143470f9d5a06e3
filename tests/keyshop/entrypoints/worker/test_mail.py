"""Mails, from the commit of their cause to a working or failing mail server."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage

import pytest
from structlog.testing import capture_logs

from keyshop.accounts.jobs import MailLockNotice, MailReset, MailWelcome
from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.verify_email import verify_by_code, verify_by_token
from keyshop.entrypoints.worker.limits import WorkerLimits
from keyshop.entrypoints.worker.mail import HANDLERS, on_account_mail
from keyshop.entrypoints.worker.retries import RETRYABLE
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import JobRow, JobState, enqueue, list_jobs, retry_dead_letter
from keyshop.mail.protocol import MailMaybeSent, MailUncertain
from tests.factories import jobs as probes
from tests.factories.customers import ALICE, add_alice, caller
from tests.factories.jobs import Note, ProbeShop, read_job_log
from tests.factories.sessions import add_user
from tests.keyshop.entrypoints.worker.conftest import Working, until
from tests.keyshop.gateways.mail.mail_server import MailServer, serve, serve_silence
from tests.keyshop.gateways.mail.mails import mailer_at


@pytest.fixture
def server() -> MailServer:
    return MailServer()


async def queue(db: Database, *, dead: bool = False) -> list[JobRow]:
    async with db.read() as reader:
        return await list_jobs(reader, dead=dead)


async def is_empty(db: Database) -> bool:
    return await queue(db) == []


async def has_failed(db: Database) -> bool:
    return [bool(job.last_error) for job in await queue(db)] == [True]


async def is_dead(db: Database) -> bool:
    return [job.state for job in await queue(db)] == [JobState.DEAD]


async def hurry(db: Database) -> None:
    """Make the waiting jobs due now."""
    async with db.transaction() as tx:
        await tx.execute("UPDATE keyshop.pgqueuer SET execute_after = now()")


async def register_alice(shop: ProbeShop) -> MailWelcome:
    """Register Alice and return the job of her welcome, which waits in the queue."""
    alice = await add_alice(shop.db, shop.accounts, now=utc_now())
    async with shop.db.read() as reader:
        proof_id: str = await reader.fetchval("SELECT id FROM keyshop.email_tokens")
    return MailWelcome(user_id=alice.account.id, proof_id=proof_id)


async def fail_once_and_repeat(server: MailServer, shop: ProbeShop, working: Working) -> JobRow:
    """Let Alice's welcome fail and be sent again; return the queue's state in between."""
    await add_alice(shop.db, shop.accounts, now=utc_now())
    async with working(handlers=HANDLERS):
        await until(lambda: has_failed(shop.db))
        (waiting,) = await queue(shop.db)
        server.hangs_up_after_data = False
        await hurry(shop.db)
        await until(lambda: is_empty(shop.db))
    return waiting


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@contextmanager
def no_secrets_in_logs() -> Iterator[None]:
    with capture_logs() as logs:
        yield
    assert logs
    assert "alice" not in str(logs).lower()
    assert "token=" not in str(logs)


class TestMails:
    async def test_of_welcome_hold_a_code_and_a_link_that_prove_the_address(
        self, shop: ProbeShop, working: Working, server: MailServer
    ):
        alice = await add_alice(shop.db, shop.accounts, now=utc_now())

        with no_secrets_in_logs():
            async with serve(server) as port, working(handlers=HANDLERS):
                shop.mailer = mailer_at(port)
                await until(lambda: is_empty(shop.db))

        (mail,) = server.mails
        text = text_of(mail)
        (code,) = re.findall(r"^\s*(\d{6})\s*$", text, re.MULTILINE)
        (token,) = re.findall(r"https://shop\.example/api/auth/verify-email\?token=(\S+)", text)
        assert server.recipients == [ALICE]
        await verify_by_code(
            shop.db, shop.accounts, caller(), user_id=alice.account.id, code=code, now=utc_now()
        )
        await verify_by_token(shop.db, shop.accounts, caller(), token=token, now=utc_now())

    async def test_of_a_reset_hold_a_link(
        self, shop: ProbeShop, working: Working, server: MailServer
    ):
        await add_alice(shop.db, shop.accounts, now=utc_now())
        await request_reset(shop.db, ALICE, caller(), now=utc_now())

        async with serve(server) as port, working(handlers=HANDLERS):
            shop.mailer = mailer_at(port)
            await until(lambda: is_empty(shop.db))

        (mail,) = (mail for mail in server.mails if "password" in str(mail["Subject"]))
        assert "https://shop.example/api/auth/reset-password?token=" in text_of(mail)

    async def test_are_not_sent_to_an_unknown_account(self, shop: ProbeShop, server: MailServer):
        async with serve(server) as port:
            shop.mailer = mailer_at(port)
            await on_account_mail(shop, MailReset(user_id=new_id(), proof_id=new_id()))

        assert server.connections == 0

    async def test_are_sent_once_when_their_job_runs_twice(
        self, shop: ProbeShop, server: MailServer
    ):
        job = await register_alice(shop)

        async with serve(server) as port:
            shop.mailer = mailer_at(port)
            for _ in range(3):
                await on_account_mail(shop, job)

        assert len(server.mails) == 1


class TestFaultyMailServer:
    async def test_gets_the_mail_when_it_is_back(
        self, shop: ProbeShop, working: Working, server: MailServer
    ):
        async with serve(server) as port:
            pass
        shop.mailer = mailer_at(port)
        await add_alice(shop.db, shop.accounts, now=utc_now())

        async with working(handlers=HANDLERS):
            await until(lambda: has_failed(shop.db))
            async with serve(server, port=port):
                await hurry(shop.db)
                await until(lambda: is_empty(shop.db))

        assert len(server.mails) == 1

    async def test_that_greylists_gets_the_mail_later(
        self, shop: ProbeShop, working: Working, server: MailServer
    ):
        server.recipient_answers = ["451 4.7.1 Greylisted, come back later"]
        async with serve(server) as port:
            shop.mailer = mailer_at(port)
            waiting = await fail_once_and_repeat(server, shop, working)

        error = "MailUnavailable: The mail server refused the mail for now with 451 4.7.1."
        assert waiting.last_error == error
        assert len(server.mails) == 1

    async def test_that_drops_the_connection_gets_the_same_mail_again(
        self, shop: ProbeShop, working: Working, server: MailServer
    ):
        server.hangs_up_after_data = True
        async with serve(server) as port:
            shop.mailer = mailer_at(port)
            await fail_once_and_repeat(server, shop, working)

        first, second = server.mails
        assert first["Message-ID"] == second["Message-ID"]
        assert text_of(first) == text_of(second)

    async def test_that_never_confirms_the_mail_gets_two_copies(
        self, shop: ProbeShop, server: MailServer
    ):
        server.hangs_up_after_data = True
        job = await register_alice(shop)

        async with serve(server) as port:
            shop.mailer = mailer_at(port)
            with pytest.raises(MailUncertain):
                await on_account_mail(shop, job)
            with pytest.raises(MailMaybeSent) as refusal:
                await on_account_mail(shop, job)

        assert len(server.mails) == 2
        assert not isinstance(refusal.value, RETRYABLE)

    async def test_that_scans_a_mail_gets_no_second_copy_from_a_stopped_worker(
        self, shop: ProbeShop, working: Working, server: MailServer
    ):
        server.looks_for = 0.5
        await add_alice(shop.db, shop.accounts, now=utc_now())

        async with serve(server) as port:
            shop.mailer = mailer_at(port)
            async with working(handlers=HANDLERS, limits=WorkerLimits(grace_period=timedelta(0))):
                await server.has_one.wait()
            async with working(handlers=HANDLERS):
                await until(lambda: is_empty(shop.db))

        assert len(server.mails) == 1

    async def test_that_refuses_a_recipient_leaves_a_dead_letter_without_the_address(
        self, shop: ProbeShop, working: Working, server: MailServer
    ):
        server.recipient_answers = [f"550 5.1.1 <{ALICE}>: no such person"]
        await add_alice(shop.db, shop.accounts, now=utc_now())

        with no_secrets_in_logs():
            async with serve(server) as port, working(handlers=HANDLERS):
                shop.mailer = mailer_at(port)
                await until(lambda: is_dead(shop.db))

        (dead,) = await queue(shop.db, dead=True)
        assert (dead.name, dead.attempts) == ("mail_welcome", 1)
        assert dead.last_error == "MailRefused: The mail server refused the mail with 550 5.1.1."
        async with shop.db.read() as reader:
            traces = await reader.fetch("SELECT traceback::text FROM keyshop.pgqueuer_log")
        assert "alice" not in str(traces)

    async def test_that_refused_accepts_the_mail_when_a_person_retries_it(
        self, shop: ProbeShop, working: Working, server: MailServer
    ):
        server.data_answers = ["554 5.7.1 no"]
        await add_alice(shop.db, shop.accounts, now=utc_now())

        async with serve(server) as port, working(handlers=HANDLERS):
            shop.mailer = mailer_at(port)
            await until(lambda: is_dead(shop.db))
            (dead,) = await queue(shop.db)
            async with shop.db.transaction() as tx:
                await retry_dead_letter(tx, dead.id)
            await until(lambda: is_empty(shop.db))

        assert len(server.mails) == 1

    async def test_that_never_answers_does_not_delay_other_jobs(
        self, shop: ProbeShop, working: Working
    ):
        welcome = await register_alice(shop)
        async with shop.db.transaction() as tx:
            for _ in range(40):
                await enqueue(tx, welcome, priority=1)
            await enqueue(tx, Note(text="done"))

        async def is_noted() -> bool:
            return await read_job_log(shop.db) == ["done"]

        async with serve_silence() as port:
            shop.mailer = mailer_at(port, reply=timedelta(seconds=2), breaker=timedelta(seconds=15))
            async with working(handlers=(*HANDLERS, *probes.HANDLERS)):
                # Eight at a time, the mails alone would take ten seconds.
                await until(is_noted, seconds=9)

    async def test_that_scans_mails_for_long_does_not_delay_other_jobs(
        self, shop: ProbeShop, working: Working, server: MailServer
    ):
        server.looks_for = 60
        alice = await add_user(shop.db)
        async with shop.db.transaction() as tx:
            for number in range(20):
                await enqueue(tx, MailLockNotice(alice.id, str(number)))
            await enqueue(tx, Note(text="done"))

        async def is_noted() -> bool:
            return await read_job_log(shop.db) == ["done"]

        async with serve(server) as port:
            shop.mailer = mailer_at(port, acceptance=timedelta(minutes=1))
            async with working(
                handlers=(*HANDLERS, *probes.HANDLERS),
                limits=WorkerLimits(grace_period=timedelta(0)),
            ):
                await until(is_noted, seconds=5)
                assert len(server.mails) <= 4
