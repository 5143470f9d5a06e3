"""`docs/requirements.md` names every requirement once, and only tests and files that exist."""

from collections import Counter

from tests.docs.pages import ROOT, has_test, list_lessons, list_names, list_requirements

SCENARIOS = {"US1": 3, "US2": 3, "US3": 3, "US4": 3}
EXPECTED = {
    *(f"FR-{number:03}" for number in range(1, 13)),
    *(f"NFR-{number:03}" for number in range(1, 6)),
    *(f"SC-{number:03}" for number in range(1, 8)),
    *(f"{story}-{number + 1}" for story, count in SCENARIOS.items() for number in range(count)),
    *(f"EC-{number}" for number in range(1, 8)),
    *(f"B{number}" for number in range(1, 65)),
}
ROWS = list_requirements()


class TestRequirements:
    def test_appear_exactly_once(self):
        counted = Counter(row[0] for row in ROWS)

        assert set(counted) == EXPECTED
        assert [id_ for id_, times in counted.items() if times > 1] == []

    def test_are_stated_in_one_sentence(self):
        short = [row[0] for row in ROWS if not row[1].endswith(".") or len(row[1].split()) < 6]

        assert short == []

    def test_name_code_and_tests_or_say_not_yet(self):
        silent = [
            row[0] for row in ROWS for cell in row[2:] if "not yet" not in cell and "`" not in cell
        ]

        assert silent == []

    def test_name_files_that_exist(self):
        named = [(row[0], name) for row in ROWS for name in list_names(row[2])]

        assert [(id_, name) for id_, name in named if not (ROOT / name).exists()] == []

    def test_name_tests_that_exist(self):
        named = [(row[0], name) for row in ROWS for name in list_names(row[3])]

        assert [(id_, name) for id_, name in named if not has_test(name)] == []


class TestLessons:
    def test_are_numbered_without_a_gap(self):
        assert [row[0] for row in list_lessons()] == [
            f"T{number + 1}" for number in range(len(list_lessons()))
        ]

    def test_name_tests_that_exist(self):
        named = [(row[0], list_names(row[2])) for row in list_lessons()]

        assert [id_ for id_, names in named if not names] == []
        missing = [(id_, name) for id_, names in named for name in names if not has_test(name)]
        assert missing == []
