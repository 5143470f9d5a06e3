"""The section `load`: many register and sign in at once, whatever else is broken."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from statistics import median
from typing import Final

from msgspec import Struct

from bench.accounts.circumstances import CIRCUMSTANCES, Scene, open_scene
from bench.accounts.count_checks import Checker, Checks
from bench.accounts.crowd import Answers, Crowd, Request
from bench.accounts.mail_server import Mood
from bench.accounts.people import Person, new_people, same_person
from bench.accounts.prober import Prober, Pulse
from bench.cache.databases import fill_database
from bench.machine import Machine
from bench.report import Goal, percentile

_SLOWEST_PULSE: Final = 100.0  # ms
_LEAST_SHARE: Final = 0.9
_MAIL_TIMEOUT: Final = 60.0  # seconds after the last sign-in


class Size(Struct, frozen=True):
    """How many there are."""

    customers: int
    at_once: int
    rivals: int
    """How many give one and the same e-mail address at once."""

    checks: int
    """Passwords that are checked to know what the threads give, each time."""


_WHOLE: Final = Size(customers=500, at_once=50, rivals=50, checks=16)
_QUICK: Final = Size(customers=12, at_once=6, rivals=4, checks=8)


async def measure_load(machine: Machine) -> None:
    """Go through everything under each circumstance."""
    size = _QUICK if machine.quick else _WHOLE
    for number, circumstance in enumerate(CIRCUMSTANCES):
        database_url = await fill_database(machine, f"bench_load_{number}", games=100)
        machine.report.title(f"load: {circumstance.name}")
        with ExitStack() as stack:
            crowd = stack.enter_context(Crowd(machine))
            checker = stack.enter_context(Checker(machine))
            scene = stack.enter_context(open_scene(machine, database_url, circumstance))
            _Load(scene, crowd, checker, size).run()


class _Load:
    """All steps under one circumstance."""

    def __init__(self, scene: Scene, crowd: Crowd, checker: Checker, size: Size) -> None:
        self._scene = scene
        self._crowd = crowd
        self._checker = checker
        self._size = size
        self._machine = scene.stage.machine
        self._report = scene.stage.machine.report

    def run(self) -> None:
        """Register, sign in, and register one address many times."""
        self._report.line("", "asked", "good", "a second", "p50", "p99", "max")
        people = new_people(self._size.customers)
        with self._scene.lose_redis():
            self._register(people)
        self._sign_in(people)
        self._register_one()
        self._count_mails(len(people) + 1)

    def _register(self, people: Sequence[Person]) -> None:
        requests = [person.register() for person in people]
        answers, pulse = self._ask(requests, at_once=self._size.at_once)
        self._tell("registrations", answers, {201: len(requests)})
        self._tell_pulse("registrations", pulse)

    def _sign_in(self, people: Sequence[Person]) -> None:
        """In turns with bare checks, so that whatever else the machine does burdens both."""
        requests = [person.sign_in() for person in people]
        checks = [self._checker.count(self._size.checks)]
        parts, pulses, spent = [], [], 0.0
        for block in _blocks(requests, self._size.at_once * 2):
            before = self._scene.stage.api.cpu_seconds
            answers, pulse = self._ask(block, at_once=self._size.at_once)
            spent += self._scene.stage.api.cpu_seconds - before
            checks.append(self._checker.count(self._size.checks))
            parts.append(answers)
            pulses.append(pulse)
        self._tell("sign-ins", _joined(parts), {200: len(requests)})
        self._tell_pulse("sign-ins", _beaten(pulses))
        self._compare([part.rate for part in parts], spent / len(requests) * 1000, checks)

    def _register_one(self) -> None:
        requests = [person.register() for person in same_person(self._size.rivals)]
        answers, pulse = self._ask(requests, at_once=len(requests))
        self._tell("one address, many times", answers, {201: 1, 409: len(requests) - 1})
        self._tell_pulse("one address", pulse)

    def _ask(self, requests: Sequence[Request], *, at_once: int) -> tuple[Answers, Pulse]:
        with Prober(self._machine, self._scene.stage.port) as prober:
            answers = self._crowd.ask(self._scene.stage.port, requests, at_once=at_once)
            return answers, prober.stop()

    def _tell(self, name: str, answers: Answers, wanted: dict[int, int]) -> None:
        """Print the figures; whatever was answered besides what is wanted is a fault."""
        found = Counter(answer.status for answer in answers.answers)
        good = sum(min(found[status], number) for status, number in wanted.items())
        seconds = [answer.seconds for answer in answers.answers]
        times = percentile(seconds, 0.5), percentile(seconds, 0.99), max(seconds)
        self._report.line(f"{name}, s", len(seconds), good, answers.rate, *times)
        if found != wanted:
            said = next((a.body for a in answers.answers if a.status not in wanted), "")
            self._fault(f"{name}: wanted {wanted}, got {dict(found)}. {said[:300]}")

    def _tell_pulse(self, name: str, pulse: Pulse) -> None:
        times = pulse.milliseconds
        late = percentile(times, 0.99)
        shown = percentile(times, 0.5), late, max(times)
        asked = len(times) + pulse.refused
        self._report.line("  GET /live meanwhile, ms", asked, len(times), "", *shown)
        self._goal(f"{name}, p99 of GET /live", late, most=_SLOWEST_PULSE, unit=" ms")
        if pulse.refused:
            self._fault(f"{name}: {pulse.refused} times GET /live had no good answer.")

    def _compare(self, rates: Sequence[float], cpu: float, checks: Sequence[Checks]) -> None:
        """Compare each block with the checks just before and after it."""
        possible = [
            (before.per_second + after.per_second) / 2 for before, after in pairwise(checks)
        ]
        shares = [rate / most for rate, most in zip(rates, possible, strict=True)]
        cost = median(found.cpu_milliseconds for found in checks)
        self._report.line("  checks the threads give, a second", "", "", median(possible))
        self._report.line("  processor time, ms: a check, a sign-in", cost, cpu)
        self._goal("sign-ins, of the checks", median(shares), least=_LEAST_SHARE)

    def _count_mails(self, wanted: int) -> None:
        """Wait for the welcome of everybody, where mails are taken; they are no part of the load."""
        mail = self._scene.mail
        if self._scene.circumstance.mail is Mood.TAKES:
            until = time.monotonic() + _MAIL_TIMEOUT
            while len(mail.taken) < wanted and time.monotonic() < until:
                time.sleep(0.1)
            if len(mail.taken) < wanted:
                self._fault(f"{len(mail.taken)} of {wanted} people got their mail.")
        self._report.line("  mails: taken, taken twice, refused", *_mails(self._scene))

    def _goal(
        self,
        text: str,
        value: float,
        *,
        least: float | None = None,
        most: float | None = None,
        unit: str = "",
    ) -> None:
        text = f"  {self._scene.circumstance.short}: {text}"
        self._report.goals(Goal(text=text, value=value, least=least, most=most, unit=unit))

    def _fault(self, text: str) -> None:
        self._report.fault(f"{self._scene.circumstance.name}: {text}")


def _blocks(requests: Sequence[Request], size: int) -> list[Sequence[Request]]:
    return [requests[first : first + size] for first in range(0, len(requests), size)]


def _joined(parts: Sequence[Answers]) -> Answers:
    return Answers(
        sum(part.seconds for part in parts),
        [answer for part in parts for answer in part.answers],
    )


def _beaten(pulses: Sequence[Pulse]) -> Pulse:
    return Pulse(
        [wait for pulse in pulses for wait in pulse.milliseconds],
        sum(pulse.refused for pulse in pulses),
    )


def _mails(scene: Scene) -> tuple[int, int, int]:
    return len(scene.mail.taken), scene.mail.given_twice, scene.mail.refused
