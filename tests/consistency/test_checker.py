"""The judge finds every kind of violation, and raises no false alarm."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consistency.checker import Judge, Outage, ViolationKind, first_seen
from tests.consistency.history import SECOND, SETTLED_AFTER, KeyHistory
from tests.consistency.keys import ABSENT
from tests.consistency.records import Answer, Outcome, Read, Write

GAME = 0
FIRST = 2


def write(version: int, *, at: int, until: int, outcome: Outcome = Outcome.ACKNOWLEDGED) -> Write:
    return Write(outcome, GAME, version, at, until)


def read(version: int, *, at: int, until: int | None = None, api: int = 0) -> Read:
    return Read(Answer.SHOWN, 0, api, 0, GAME, version, at, at + 1 if until is None else until)


def failure(answer: Answer, *, at: int, until: int, api: int = 0) -> Read:
    return Read(answer, 0, api, 0, GAME, 0, at, until)


def judge_all(
    reads: Iterable[Read], *writes: Write, outages: Iterable[Outage] = (), **facts: bool
) -> list[ViolationKind]:
    reads = list(reads)
    history = KeyHistory(writes, first=FIRST, **facts)
    judge = Judge({GAME: history}, first_seen(reads), outages)
    return [found.kind for one in reads if (found := judge.judge(one))]


class TestStaleRead:
    def test_is_found_when_it_began_after_the_write_was_acknowledged(self):
        assert judge_all([read(2, at=21)], write(3, at=10, until=20)) == [ViolationKind.STALE]

    def test_is_none_while_the_write_is_under_way(self):
        assert judge_all([read(2, at=15, until=99)], write(3, at=10, until=20)) == []

    def test_is_none_when_the_write_was_acknowledged_while_it_was_read(self):
        assert judge_all([read(2, at=20, until=30)], write(3, at=10, until=20)) == []

    def test_is_found_behind_the_newest_of_several_writes(self):
        writes = [write(3, at=10, until=20), write(4, at=30, until=40)]

        assert judge_all([read(3, at=50)], *writes) == [ViolationKind.STALE]

    def test_is_found_when_an_older_write_is_acknowledged_last(self):
        writes = [write(3, at=10, until=60), write(4, at=30, until=40)]

        assert judge_all([read(3, at=70)], *writes) == [ViolationKind.STALE]

    def test_is_none_after_a_write_of_unknown_outcome(self):
        unknown = write(3, at=10, until=20, outcome=Outcome.UNKNOWN)

        assert judge_all([read(2, at=30), read(3, at=40)], unknown) == []

    def test_is_none_within_a_second_of_a_foreign_write(self):
        foreign = write(3, at=10, until=20)

        assert judge_all([read(2, at=SECOND)], foreign, is_foreign=True) == []

    def test_is_found_a_second_after_a_foreign_write(self):
        foreign = write(3, at=10, until=20)

        assert judge_all([read(2, at=SECOND + 21)], foreign, is_foreign=True) == [
            ViolationKind.STALE
        ]


class TestReadThatWentBack:
    tried = write(3, at=10, until=0, outcome=Outcome.TRIED)

    def test_is_found_long_after_another_read_showed_the_newer(self):
        reads = [read(3, at=20), read(2, at=SETTLED_AFTER + 30)]

        assert judge_all(reads, self.tried) == [ViolationKind.WENT_BACK]

    def test_is_found_whichever_process_notes_first(self):
        reads = [read(2, at=SETTLED_AFTER + 30, api=1), read(3, at=20)]

        assert judge_all(reads, self.tried) == [ViolationKind.WENT_BACK]

    def test_is_permitted_before_the_write_is_acknowledged(self):
        assert judge_all([read(3, at=20), read(2, at=30)], self.tried) == []

    def test_is_none_when_the_reads_overlap(self):
        reads = [read(3, at=20, until=SETTLED_AFTER), read(2, at=30, until=40)]

        assert judge_all(reads, self.tried) == []


class TestPhantom:
    def test_is_a_version_that_was_never_written(self):
        assert judge_all([read(9, at=50)], write(3, at=10, until=20)) == [ViolationKind.PHANTOM]

    def test_is_a_version_that_was_rolled_back(self):
        undone = write(3, at=10, until=20, outcome=Outcome.ROLLED_BACK)

        assert judge_all([read(3, at=50)], undone) == [ViolationKind.PHANTOM]

    def test_is_a_version_before_it_was_written(self):
        assert judge_all([read(3, at=1, until=5)], write(3, at=10, until=20)) == [
            ViolationKind.PHANTOM
        ]

    def test_is_none_between_the_known_versions_of_a_foreign_writer(self):
        writes = [write(3, at=10, until=20), write(5, at=30, until=40)]

        assert judge_all([read(4, at=25, until=35)], *writes, is_foreign=True) == []

    def test_is_none_when_the_writer_was_killed(self):
        tried = write(3, at=10, until=0, outcome=Outcome.TRIED)

        assert judge_all([read(3, at=50)], tried) == []


class TestAbsence:
    gone = write(3, at=10, until=20)
    back = write(4, at=30, until=40)

    def test_of_a_game_that_always_is_there_is_a_loss(self):
        assert judge_all([read(ABSENT, at=5)]) == [ViolationKind.LOST]

    def test_is_right_after_it_was_deleted(self):
        assert judge_all([read(ABSENT, at=25)], self.gone, comes_and_goes=True) == []

    def test_is_right_while_it_is_being_deleted(self):
        assert judge_all([read(ABSENT, at=5, until=15)], self.gone, comes_and_goes=True) == []

    def test_is_wrong_before_it_was_deleted(self):
        reads = [read(ABSENT, at=5, until=9)]

        assert judge_all(reads, self.gone, comes_and_goes=True) == [ViolationKind.LOST]

    def test_is_wrong_after_it_came_back(self):
        reads = [read(ABSENT, at=45)]

        assert judge_all(reads, self.gone, self.back, comes_and_goes=True) == [ViolationKind.LOST]

    def test_makes_the_deleted_game_stale(self):
        assert judge_all([read(2, at=25)], self.gone, comes_and_goes=True) == [ViolationKind.STALE]


class TestAnswerThatBelongsToAnother:
    def test_is_a_violation_even_during_an_outage(self):
        reads = [failure(Answer.ANOTHERS, at=15, until=16)]

        assert judge_all(reads, outages=[Outage(None, 10, 20, of_database=True)]) == [
            ViolationKind.ANOTHERS
        ]


class TestBasketOfAGuestWhoIsACustomerNow:
    moved = write(3, at=10, until=20)

    def test_is_stale_under_the_old_session(self):
        assert judge_all([read(2, at=25)], self.moved, comes_and_goes=True) == [ViolationKind.STALE]

    def test_is_empty_there(self):
        assert judge_all([read(ABSENT, at=25)], self.moved, comes_and_goes=True) == []


class TestFailedRequest:
    killed = Outage(0, 10, 20)
    without_database = Outage(None, 10, 20, of_database=True)

    def test_is_a_violation(self):
        assert judge_all([failure(Answer.LOST, at=5, until=6)]) == [ViolationKind.UNAVAILABLE]

    def test_is_excused_while_its_process_is_dead(self):
        reads = [failure(Answer.LOST, at=5, until=12)]

        assert judge_all(reads, outages=[self.killed]) == []

    def test_is_not_excused_by_the_death_of_another_process(self):
        reads = [failure(Answer.LOST, at=5, until=12, api=1)]

        assert judge_all(reads, outages=[self.killed]) == [ViolationKind.UNAVAILABLE]

    def test_is_not_excused_after_the_process_is_back(self):
        reads = [failure(Answer.REFUSED, at=25, until=26)]

        assert judge_all(reads, outages=[self.killed]) == [ViolationKind.UNAVAILABLE]

    def test_may_say_503_while_the_database_is_away(self):
        reads = [failure(Answer.UNAVAILABLE, at=15, until=16, api=1)]

        assert judge_all(reads, outages=[self.without_database]) == []

    def test_may_say_503_when_its_process_alone_has_not_noticed_yet(self):
        late = Outage(1, 10, 20, of_database=True)
        reads = [failure(Answer.UNAVAILABLE, at=15, until=16, api=api) for api in (0, 1)]

        assert judge_all(reads, outages=[late]) == [ViolationKind.UNAVAILABLE]

    def test_may_never_be_another_status(self):
        reads = [failure(Answer.WRONG_STATUS, at=15, until=16)]
        outages = [self.killed, self.without_database]

        assert judge_all(reads, outages=outages) == [ViolationKind.UNAVAILABLE]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Write], list[int]]:
    """Generate the writes of a game, and the time at which each was committed."""
    clock, writes, commits = 10, [], []
    for version in range(FIRST + 1, FIRST + 1 + draw(st.integers(1, 8))):
        invoked = clock + draw(st.integers(1, SECOND))
        committed = invoked + draw(st.integers(0, SECOND))
        clock = committed + draw(st.integers(0, SECOND))
        writes.append(write(version, at=invoked, until=clock))
        commits.append(committed)
    return writes, commits


def true_version(commits: list[int], moment: int) -> int:
    return FIRST + sum(committed <= moment for committed in commits)


@st.composite
def true_reads(draw: st.DrawFn, commits: list[int]) -> list[Read]:
    """Generate reads that show what the database held at some moment during the read."""
    reads = []
    for _ in range(draw(st.integers(0, 12))):
        at = draw(st.integers(0, commits[-1] + 3 * SECOND))
        looked = at + draw(st.integers(0, SECOND))
        until = looked + draw(st.integers(1, SECOND))
        reads.append(read(true_version(commits, looked), at=at, until=until))
    return reads


class TestJudge:
    @given(st.data())
    @settings(max_examples=300, deadline=None)
    def test_passes_every_read_of_a_shop_without_a_cache(self, data):
        writes, commits = data.draw(histories())

        assert judge_all(data.draw(true_reads(commits)), *writes) == []

    @given(st.data())
    @settings(max_examples=300, deadline=None)
    def test_finds_a_version_kept_too_long_among_true_reads(self, data):
        writes, commits = data.draw(histories())
        overtaken = data.draw(st.sampled_from(writes))
        at = overtaken.returned + data.draw(st.integers(1, SECOND))
        kept = data.draw(st.integers(FIRST, overtaken.version - 1))

        found = judge_all([*data.draw(true_reads(commits)), read(kept, at=at)], *writes)

        assert found == [ViolationKind.STALE]
