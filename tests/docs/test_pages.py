"""Links lead to existing files, lists are complete, and pages keep to their limits."""

import re
from pathlib import Path

import pytest

from keyshop.settings import Settings
from tests.docs.pages import DOCS, ROOT, list_links, list_pages

PAGES = list_pages()
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
PARTS_OF_A_DECISION = ("context", "decision", "what follows", "not chosen")
MAX_WORDS_OF_THE_PROTOCOL = 1_500
MAX_TERMS = 40
VARIABLE = re.compile(r"^# ([A-Z][A-Z0-9_]*)=", re.MULTILINE)
LINK = re.compile(r"\]\(([^)]+)\)")
TERM = re.compile(r"^\| (?!term|---)([^|]+) \| ([^|]+) \| (.+) \|$", re.MULTILINE)


class TestLinks:
    @pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
    def test_lead_to_files_of_the_repository(self, page: Path):
        missing = [link for link in list_links(page) if not (page.parent / link).exists()]

        assert missing == []


class TestDecisions:
    def test_are_all_in_the_index(self):
        index = DOCS / "decisions" / "README.md"

        assert sorted(list_links(index)) == [page.name for page in DECISIONS]

    def test_have_numbers_of_their_own(self):
        numbers = [page.name[:4] for page in DECISIONS]

        assert len(numbers) == len(set(numbers))

    @pytest.mark.parametrize("page", DECISIONS, ids=[page.stem for page in DECISIONS])
    def test_fit_on_a_page_and_say_what_was_not_chosen(self, page: Path):
        text = page.read_text(encoding="utf-8").lower()

        assert len(text.splitlines()) <= 50
        assert [part for part in PARTS_OF_A_DECISION if part not in text] == []


class TestConsistencyPage:
    def test_describes_the_protocol_in_few_words(self):
        text = (DOCS / "consistency.md").read_text(encoding="utf-8")

        assert len(text.split()) <= MAX_WORDS_OF_THE_PROTOCOL


class TestGlossary:
    TERMS = TERM.findall((DOCS / "glossary.md").read_text(encoding="utf-8"))

    def test_explains_each_term_once(self):
        names = [name for name, _, _ in self.TERMS]

        assert 0 < len(names) <= MAX_TERMS
        assert names == sorted(set(names), key=str.lower)

    def test_gives_each_term_one_sentence_and_one_place(self):
        long = [name for name, text, _ in self.TERMS if text.count(".") != 1 or text[-1] != "."]
        homeless = [name for name, _, place in self.TERMS if len(LINK.findall(place)) != 1]

        assert long == []
        assert homeless == []

    def test_is_linked_from_the_readme(self):
        assert "docs/glossary.md" in list_links(ROOT / "README.md")


class TestEnvExample:
    def test_explains_every_variable_once_and_no_other(self):
        example = (ROOT / ".env.example").read_text(encoding="utf-8")

        assert sorted(VARIABLE.findall(example)) == sorted(map(str.upper, Settings.model_fields))

    def test_sets_nothing(self):
        example = (ROOT / ".env.example").read_text(encoding="utf-8")

        assert [line for line in example.splitlines() if line and not line.startswith("#")] == []
