"""Which failures are retried, and when."""

from datetime import timedelta

import pytest

from keyshop.entrypoints.worker.mail import MAX_ATTEMPTS as MAX_MAIL
from keyshop.entrypoints.worker.retries import MAX_ATTEMPTS, delay_before_retry
from keyshop.kit.errors import Conflict, Unavailable
from keyshop.mail.protocol import MailRefused, MailUnavailable, MailUncertain
from keyshop.supplier.errors import OutcomeUnknown, SupplierRefused, SupplierUnavailable


class TestDelayBeforeRetry:
    @pytest.mark.parametrize(
        "kind", [SupplierUnavailable, OutcomeUnknown, MailUnavailable, Unavailable]
    )
    def test_retries_faults_that_pass_by_themselves(self, kind: type[Exception]):
        assert delay_before_retry(kind("It does not answer."), attempt=1, jitter=0.5) == timedelta(
            seconds=2
        )

    @pytest.mark.parametrize("kind", [SupplierRefused, MailRefused, Conflict, ValueError, KeyError])
    def test_leaves_every_other_fault_to_a_person(self, kind: type[Exception]):
        assert delay_before_retry(kind("No."), attempt=1, jitter=0.5) is None

    def test_waits_twice_as_long_each_time_up_to_ten_minutes(self):
        delays = [
            delay_before_retry(Unavailable("It does not answer."), attempt=attempt, jitter=0.5)
            for attempt in range(1, MAX_ATTEMPTS)
        ]

        assert delays[:4] == [timedelta(seconds=seconds) for seconds in (2, 4, 8, 16)]
        assert delays[-1] == timedelta(minutes=10)

    def test_sends_no_second_copy_of_a_mail_while_the_same_fault_may_last(self):
        delay = delay_before_retry(MailUncertain(), attempt=1, jitter=0.5, max_attempts=MAX_MAIL)

        assert delay == timedelta(minutes=3)

    def test_spreads_jobs_that_failed_together(self):
        error = Unavailable("It does not answer.")

        assert delay_before_retry(error, attempt=2, jitter=0) == timedelta(seconds=2)
        assert delay_before_retry(error, attempt=2, jitter=1) == timedelta(seconds=6)

    def test_retries_mails_for_about_a_day(self):
        delays = [
            delay_before_retry(
                MailUnavailable("It does not answer."),
                attempt=attempt,
                jitter=0.5,
                max_attempts=MAX_MAIL,
            )
            for attempt in range(1, MAX_MAIL)
        ]

        total = sum((delay for delay in delays if delay), timedelta(0))
        assert None not in delays
        assert timedelta(hours=22) < total < timedelta(hours=26)

    def test_gives_up_after_the_last_attempt(self):
        error = Unavailable("It does not answer.")

        assert delay_before_retry(error, attempt=MAX_ATTEMPTS, jitter=0) is None
