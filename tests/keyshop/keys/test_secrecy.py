"""No text of a key rests in the database, and one package writes the table of keys."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

import keyshop
from keyshop.embedded.binaries import get_postgres_program
from keyshop.keys.adopt_keys import adopt_keys
from keyshop.keys.reveal_keys import reveal
from keyshop.keys.rotate_keys import rotate_keys
from keyshop.keys.settings import KeyStorage
from keyshop.keys.take_keys import mark_delivered, take_free_keys
from tests.factories.games import NOON, make_game
from tests.factories.vault import make_vault, stock_keys

_SOURCE = Path(keyshop.__file__).parent
_WRITE = re.compile(r"(INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(public\.)?game_keys\b")
_TEXT = "PLAIN-TEXT-OF-A-KEY"


def dump(database_url: str) -> str:
    """Return what `pg_dump` writes of the database."""
    command = [str(get_postgres_program("pg_dump")), "--inserts", database_url]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


class TestSealedStorage:
    async def test_leaves_no_text_in_the_database(self, db, vault, order_id, database_url):
        game_id = await make_game(db)
        await stock_keys(db, vault, game_id, [f"{_TEXT}-{number}" for number in range(3)])
        async with db.transaction() as tx:
            await tx.execute(
                "INSERT INTO game_keys (id, \"gameId\", key) VALUES ('foreign', $1, $2)",
                game_id,
                _TEXT,
            )
        await adopt_keys(db, vault, by="olga", now=NOON)
        async with db.transaction() as tx:
            [key] = await take_free_keys(tx, game_id, 1)
            await mark_delivered(tx, vault_key_id=key, order_id=order_id, unit_id="unit", now=NOON)
            shown = await reveal(tx, vault, order_id=order_id, user_id="alice", now=NOON)
        await rotate_keys(db, await make_vault(db, 2, 1), by="olga", now=NOON)

        dumped = dump(database_url)

        assert len(shown) == 1
        assert "sealed:foreign" in dumped
        assert _TEXT not in dumped
        assert _TEXT.encode().hex() not in dumped
        assert vault.fingerprint_key.reveal() not in dumped
        assert vault.fingerprint_key.reveal().encode().hex() not in dumped

    async def test_leaves_none_after_plain_storage_either(self, db, vault, database_url):
        plain = await make_vault(db, storage=KeyStorage.PLAIN)
        await stock_keys(db, plain, await make_game(db), [_TEXT])
        assert _TEXT in dump(database_url)

        await rotate_keys(db, vault, by="olga", now=NOON)

        assert _TEXT not in dump(database_url)

    async def test_shows_no_text_in_errors_of_the_database(self, db, vault):
        plain = await make_vault(db, storage=KeyStorage.PLAIN)

        with pytest.raises(Exception, match="foreign key") as failed:
            await stock_keys(db, plain, "no-such-game", [_TEXT])

        assert _TEXT not in repr(failed.value) + str(failed.value.__dict__)


class TestGameKeys:
    def test_are_written_by_the_vault_alone(self):
        writers = {
            path.relative_to(_SOURCE).parts[0]
            for path in _SOURCE.rglob("*.py")
            if "migrations" not in path.parts
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _WRITE.search(node.value)
        }

        assert writers == {"keys"}
