"""The breaker: which mails wait while the server is unavailable."""

from datetime import timedelta

import pytest

from keyshop.gateways.mail.breaker import Breaker, ServerUnreachable
from keyshop.mail.protocol import MailRefused, MailUnavailable


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(timedelta(seconds=15), monotonic=clock)


def use(breaker: Breaker, error: Exception | None = None) -> None:
    with breaker.guard():
        if error is not None:
            raise error


UNREACHABLE = ServerUnreachable("It does not answer.")
JUST_NOW = "a moment ago"


class TestBreaker:
    def test_refuses_at_once_after_the_server_was_unreachable(self, breaker: Breaker, clock: Clock):
        with pytest.raises(ServerUnreachable):
            use(breaker, UNREACHABLE)

        clock.now = 14.9
        with pytest.raises(MailUnavailable, match=JUST_NOW):
            use(breaker)

        clock.now = 15
        use(breaker)
        use(breaker)

    def test_lets_one_mail_try_first(self, breaker: Breaker, clock: Clock):
        with pytest.raises(ServerUnreachable):
            use(breaker, UNREACHABLE)
        clock.now = 15

        with breaker.guard(), pytest.raises(MailUnavailable, match=JUST_NOW):
            use(breaker)
        use(breaker)

    def test_waits_again_when_it_is_still_away(self, breaker: Breaker, clock: Clock):
        for _ in range(2):
            with pytest.raises(ServerUnreachable):
                use(breaker, UNREACHABLE)
            clock.now += 15

        with pytest.raises(ServerUnreachable):
            use(breaker, UNREACHABLE)
        with pytest.raises(MailUnavailable, match=JUST_NOW):
            use(breaker)

    @pytest.mark.parametrize("kind", [MailRefused, MailUnavailable])
    def test_closes_after_a_refusal_because_the_server_answers(
        self, breaker: Breaker, clock: Clock, kind: type[Exception]
    ):
        with pytest.raises(ServerUnreachable):
            use(breaker, UNREACHABLE)
        clock.now = 15

        with pytest.raises(kind, match="Not this one"):
            use(breaker, kind("Not this one."))

        # Several mails in parallel again, instead of one trial.
        with breaker.guard():
            use(breaker)
