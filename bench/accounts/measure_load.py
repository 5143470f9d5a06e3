"""The section `load`: many parallel registrations and sign-ins, with and without faults."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from statistics import median
from typing import Final

from msgspec import Struct

from bench.accounts.conditions import CONDITIONS, Environment, open_environment
from bench.accounts.count_checks import Checker, Checks
from bench.accounts.crowd import Answers, Crowd, Request
from bench.accounts.mail_server import MailMode
from bench.accounts.people import Person, new_people, same_person
from bench.accounts.prober import Prober, ProbeResult
from bench.cache.databases import fill_database
from bench.machine import Machine
from bench.report import Goal, percentile

_MAX_PROBE_DELAY: Final = 100.0  # ms
_LEAST_SHARE: Final = 0.9
_MAIL_TIMEOUT: Final = 60.0  # seconds after the last sign-in


class Size(Struct, frozen=True):
    """The numbers of one run."""

    customers: int
    max_parallel: int
    same_address: int
    """Parallel registrations of one e-mail address."""

    checks: int
    """Passwords in each reference measurement of the threads."""


_WHOLE: Final = Size(customers=500, max_parallel=50, same_address=50, checks=16)
_QUICK: Final = Size(customers=12, max_parallel=6, same_address=4, checks=8)


async def measure_load(machine: Machine) -> None:
    """Run all steps under each condition."""
    size = _QUICK if machine.quick else _WHOLE
    for number, condition in enumerate(CONDITIONS):
        database_url = await fill_database(machine, f"bench_load_{number}", games=100)
        machine.report.title(f"load: {condition.name}")
        with ExitStack() as stack:
            crowd = stack.enter_context(Crowd(machine))
            checker = stack.enter_context(Checker(machine))
            environment = stack.enter_context(open_environment(machine, database_url, condition))
            _Load(environment, crowd, checker, size).run()


class _Load:
    """The steps under one condition."""

    def __init__(
        self, environment: Environment, crowd: Crowd, checker: Checker, size: Size
    ) -> None:
        self._environment = environment
        self._crowd = crowd
        self._checker = checker
        self._size = size
        self._machine = environment.stage.machine
        self._report = environment.stage.machine.report

    def run(self) -> None:
        """Register, sign in, and register one address many times."""
        self._report.line("", "requests", "good", "a second", "p50", "p99", "max")
        people = new_people(self._size.customers)
        with self._environment.lose_redis():
            self._register(people)
        self._sign_in(people)
        self._register_one()
        self._count_mails(len(people) + 1)

    def _register(self, people: Sequence[Person]) -> None:
        requests = [person.register() for person in people]
        answers, probed = self._send(requests, max_parallel=self._size.max_parallel)
        self._report_answers("registrations", answers, {201: len(requests)})
        self._report_probes("registrations", probed)

    def _sign_in(self, people: Sequence[Person]) -> None:
        """Sign in, in turns with plain password checks, so that other work on the machine slows both."""
        requests = [person.sign_in() for person in people]
        checks = [self._checker.count(self._size.checks)]
        parts, probes, spent = [], [], 0.0
        for block in _blocks(requests, self._size.max_parallel * 2):
            before = self._environment.stage.api.cpu_seconds
            answers, probed = self._send(block, max_parallel=self._size.max_parallel)
            spent += self._environment.stage.api.cpu_seconds - before
            checks.append(self._checker.count(self._size.checks))
            parts.append(answers)
            probes.append(probed)
        self._report_answers("sign-ins", _joined(parts), {200: len(requests)})
        self._report_probes("sign-ins", _merged(probes))
        self._compare([part.rate for part in parts], spent / len(requests) * 1000, checks)

    def _register_one(self) -> None:
        requests = [person.register() for person in same_person(self._size.same_address)]
        answers, probed = self._send(requests, max_parallel=len(requests))
        self._report_answers("one address, many times", answers, {201: 1, 409: len(requests) - 1})
        self._report_probes("one address", probed)

    def _send(
        self, requests: Sequence[Request], *, max_parallel: int
    ) -> tuple[Answers, ProbeResult]:
        with Prober(self._machine, self._environment.stage.port) as prober:
            answers = self._crowd.send(
                self._environment.stage.port, requests, max_parallel=max_parallel
            )
            return answers, prober.stop()

    def _report_answers(self, name: str, answers: Answers, wanted: dict[int, int]) -> None:
        """Print the figures; any answer with an unexpected status is a fault."""
        found = Counter(answer.status for answer in answers.answers)
        good = sum(min(found[status], number) for status, number in wanted.items())
        seconds = [answer.seconds for answer in answers.answers]
        times = percentile(seconds, 0.5), percentile(seconds, 0.99), max(seconds)
        self._report.line(f"{name}, s", len(seconds), good, answers.rate, *times)
        if found != wanted:
            body = next((a.body for a in answers.answers if a.status not in wanted), "")
            self._fault(f"{name}: expected {wanted}, got {dict(found)}. {body[:300]}")

    def _report_probes(self, name: str, probed: ProbeResult) -> None:
        times = probed.milliseconds
        late = percentile(times, 0.99)
        shown = percentile(times, 0.5), late, max(times)
        sent = len(times) + probed.refused
        self._report.line("  GET /live meanwhile, ms", sent, len(times), "", *shown)
        self._goal(f"{name}, p99 of GET /live", late, most=_MAX_PROBE_DELAY, unit=" ms")
        if probed.refused:
            self._fault(f"{name}: {probed.refused} requests of GET /live failed.")

    def _compare(self, rates: Sequence[float], cpu: float, checks: Sequence[Checks]) -> None:
        """Compare each block with the checks just before and after it."""
        possible = [
            (before.per_second + after.per_second) / 2 for before, after in pairwise(checks)
        ]
        shares = [rate / most for rate, most in zip(rates, possible, strict=True)]
        cost = median(found.cpu_milliseconds for found in checks)
        self._report.line("  checks that the threads allow, a second", "", "", median(possible))
        self._report.line("  processor time, ms: a check, a sign-in", cost, cpu)
        self._goal("sign-ins, ratio to the checks", median(shares), least=_LEAST_SHARE)

    def _count_mails(self, wanted: int) -> None:
        """Wait for all welcome mails if the server accepts mail; they are not part of the load."""
        mail = self._environment.mail
        if self._environment.condition.mail is MailMode.ACCEPTS:
            until = time.monotonic() + _MAIL_TIMEOUT
            while len(mail.accepted) < wanted and time.monotonic() < until:
                time.sleep(0.1)
            if len(mail.accepted) < wanted:
                self._fault(f"{len(mail.accepted)} of {wanted} customers got their welcome mail.")
        self._report.line("  mails: accepted, sent twice, refused", *_mails(self._environment))

    def _goal(
        self,
        text: str,
        value: float,
        *,
        least: float | None = None,
        most: float | None = None,
        unit: str = "",
    ) -> None:
        text = f"  {self._environment.condition.short}: {text}"
        self._report.goals(Goal(text=text, value=value, least=least, most=most, unit=unit))

    def _fault(self, text: str) -> None:
        self._report.fault(f"{self._environment.condition.name}: {text}")


def _blocks(requests: Sequence[Request], size: int) -> list[Sequence[Request]]:
    return [requests[first : first + size] for first in range(0, len(requests), size)]


def _joined(parts: Sequence[Answers]) -> Answers:
    return Answers(
        sum(part.seconds for part in parts),
        [answer for part in parts for answer in part.answers],
    )


def _merged(probes: Sequence[ProbeResult]) -> ProbeResult:
    return ProbeResult(
        [wait for probed in probes for wait in probed.milliseconds],
        sum(probed.refused for probed in probes),
    )


def _mails(environment: Environment) -> tuple[int, int, int]:
    return len(environment.mail.accepted), environment.mail.duplicates, environment.mail.refused
