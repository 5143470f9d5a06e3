import re

import pytest

from keyshop.cache_keys import DERIVED, FAMILIES, GROUPS, SOURCES, Key, Source
from keyshop.kit.cache.families import Family, digest

SAMPLE = {"id": "1", "user": "1", "digest": digest("1")}
KEYS = [(source, key) for source in SOURCES for key in source.keys]


def pattern(family: Family) -> re.Pattern[str]:
    """Return what all keys of the family match."""
    return re.compile(re.sub(r"{\w+}", "[^:]+", family.pattern))


class TestFamilies:
    def test_have_names_of_their_own(self) -> None:
        assert len({family.name for family in FAMILIES}) == len(FAMILIES)

    def test_never_share_a_key(self) -> None:
        for family in FAMILIES:
            key = family.find_key(**SAMPLE)
            assert key is not None
            assert [other for other in FAMILIES if pattern(other).fullmatch(key.name)] == [family]

    def test_are_each_in_a_known_group(self) -> None:
        assert {family.group for family in FAMILIES} == set(GROUPS)

    def test_have_at_most_one_part(self) -> None:
        # The triggers make a key of one value.
        assert max(family.pattern.count("{") for family in FAMILIES) == 1


class TestSources:
    def test_take_every_family_by_its_key_or_by_its_group(self) -> None:
        keys = {key.family.name for _, key in KEYS}
        groups = {group.name for source in SOURCES for group in source.groups}

        assert [f.name for f in FAMILIES if f.name not in keys and f.group not in groups] == []

    @pytest.mark.parametrize(("source", "key"), KEYS, ids=lambda x: getattr(x, "table", ""))
    def test_take_the_old_key_as_well_when_its_part_changes(self, source: Source, key: Key) -> None:
        assert key.part_column in {*key.columns, *source.primary_key}

    def test_name_no_group_twice_for_a_table(self) -> None:
        for source in SOURCES:
            names = [group.name for group in source.groups]
            names += {key.family.group for key in source.keys}
            assert len(set(names)) == len(names)

    def test_cover_what_is_derived_from_them(self) -> None:
        tables = {source.table for source in SOURCES}

        assert {table for origins in DERIVED.values() for table in origins} <= tables
