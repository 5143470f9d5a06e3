from keyshop.schema.revisions import list_revisions, list_shop_indexes
from tests.keyshop.migrations.catalogue import described_additions

_REPLACED = {"keyshop_games_popular_idx"}  # added by 0005, dropped by 0015


class TestShopIndexes:
    def test_are_all_found_in_the_revisions(self) -> None:
        found = {
            index.plain_name
            for revision in list_revisions()
            for index in list_shop_indexes(revision)
        }

        # Any other spelling than CREATE INDEX IF NOT EXISTS keyshop_... ON public.... is not found:
        # attach would then block the table's writers, and detach would leave the index behind.
        lines = [line.replace('"', "").split() for line in described_additions()]
        added = {words[words.index("index") + 1] for words in lines if "index" in words}
        assert found == added | _REPLACED
