from keyshop.schema.revisions import list_revisions, list_shop_indexes
from tests.keyshop.migrations.catalogue import described_additions


class TestShopIndexes:
    def test_are_all_found_in_the_revisions(self) -> None:
        found = {
            index.plain_name
            for revision in list_revisions()
            for index in list_shop_indexes(revision)
        }

        # One that is spelled otherwise would be built while all writers of the table wait, and
        # stay behind when the database is given back: CREATE INDEX IF NOT EXISTS keyshop_... ON
        lines = [line.replace('"', "").split() for line in described_additions()]
        assert found == {words[words.index("index") + 1] for words in lines if "index" in words}
