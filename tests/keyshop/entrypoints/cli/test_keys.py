"""`keyshop keys ...`: the commands, as an operator runs them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.kit.database.pool import Database
from tests.factories.games import make_game
from tests.factories.vault import key_texts, make_game_with_keys, make_vault
from tests.keyshop.entrypoints.cli.shop_process import run_keyshop, shop_environment

# Each command is a process of its own.
pytestmark = pytest.mark.slow

Run = Callable[..., Awaitable[CompletedProcess[str]]]


def keys_of(*versions: int) -> str:
    """Return the value of KEY_ENCRYPTION_KEYS for the ring of these versions."""
    return ",".join(f"{each}:{b64encode(bytes([each]) * 32).decode()}" for each in versions)


@pytest.fixture
def run(home: Path, database_url: str) -> Run:
    """Run a command of `keyshop keys` on this test's own database."""

    async def keys(*words: str, ring: str = keys_of(1)) -> CompletedProcess[str]:
        return await asyncio.to_thread(
            run_keyshop,
            "keys",
            *words,
            home=home,
            DATABASE_URL=database_url,
            CACHE_MODE="off",
            KEY_ENCRYPTION_KEYS=ring,
        )

    return keys


class TestKeys:
    async def test_are_imported_listed_and_counted_without_their_texts(
        self, db: Database, run: Run, home: Path
    ):
        game = await make_game(db, title="Iron Dawn", g2aStock=False, inStock=False)
        file, report = home.parent / "keys.csv", home.parent / "report.csv"
        file.write_text("AAAAA-1\nAAAAA-2\nAAAAA-1\n")

        imported = await run("import", str(file), "--game", "iron-dawn", "--report", str(report))
        listed = await run("list", "--json")
        counted = await run("stats")

        assert imported.stdout.splitlines() == [
            "Line 3: duplicate",
            "Keys: added 2, duplicate 1, too long 0, unknown game 0, unusable 0.",
        ]
        assert report.read_text().splitlines() == [
            "line,outcome",
            "1,added",
            "2,added",
            "3,duplicate",
        ]
        assert [key["game_id"] for key in json.loads(listed.stdout)] == [game, game]
        assert "2 to sell" in counted.stdout
        assert "AAAAA" not in imported.stdout + imported.stderr + listed.stdout + counted.stdout

    async def test_of_an_unknown_game_or_file_are_refused_with_a_sentence(
        self, run: Run, home: Path
    ):
        (home.parent / "keys.csv").write_text("AAAAA-1\n")

        unknown = await run("import", str(home.parent / "keys.csv"), "--game", "none")
        missing = await run("import", str(home.parent / "none.csv"))

        assert (unknown.returncode, missing.returncode) == (1, 1)
        assert unknown.stderr == "keyshop: There is no game none; name it by its id or slug.\n"
        assert missing.stderr.endswith("none.csv (No such file or directory).\n")

    async def test_are_adopted_released_and_revoked(self, db: Database, run: Run):
        game = await make_game(db, g2aStock=False)
        async with db.transaction() as tx:
            await tx.execute(
                'INSERT INTO game_keys (id, "gameId", key, activated)'
                " VALUES ('free', $1, 'AAAAA-1', false), ('used', $1, 'AAAAA-2', true)",
                game,
            )

        adopted = await run("adopt")
        refused = await run("release", "used")
        revoked = await run("revoke", "free", "--reason", "sold elsewhere")

        assert "1 to sell, 0 delivered, 1 held" in adopted.stdout
        assert refused.returncode == 1
        assert "Key used cannot be released: `activated` is set" in refused.stderr
        assert revoked.stdout == "Key free is revoked.\n"
        async with db.read() as reader:
            actors = await reader.fetch("SELECT actor, action FROM keyshop.journal ORDER BY id")
        assert [tuple(each) for each in actors] == [
            (get_os_user(), "keys.adopt"),
            (get_os_user(), "keys.revoke"),
        ]

    async def test_are_refused_with_the_wrong_encryption_keys(self, db: Database, run: Run):
        await make_vault(db)

        refused = await run("adopt", ring=f"1:{b64encode(b'x' * 32).decode()}")

        assert refused.returncode == 1
        assert refused.stderr.startswith(
            "keyshop: KEY_ENCRYPTION_KEYS has another key of version 1"
        )

    async def test_survive_a_rotation_that_is_killed_in_the_middle(
        self, db: Database, database_url: str, run: Run, home: Path
    ):
        game_id = await make_game_with_keys(db, await make_vault(db), 450)
        async with db.read() as blocker, db.read() as reader:
            # The rotation waits in its third transaction.
            await blocker.fetchval("BEGIN")
            await blocker.fetchval(
                "SELECT id FROM keyshop.vault_keys WHERE id ="
                " (SELECT id FROM keyshop.vault_keys ORDER BY id OFFSET 250 LIMIT 1) FOR UPDATE"
            )
            process = subprocess.Popen(
                [sys.executable, "-m", "keyshop", "keys", "rotate"],
                env=shop_environment(
                    home,
                    DATABASE_URL=database_url,
                    CACHE_MODE="off",
                    KEY_ENCRYPTION_KEYS=keys_of(2, 1),
                ),
                cwd=home.parent,
            )
            while not await reader.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ):
                assert process.poll() is None
                await asyncio.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            await blocker.fetchval("ROLLBACK")
            resealed = await reader.fetchval(
                "SELECT count(*) FROM keyshop.vault_keys WHERE version = 2"
            )

        resumed = await run("rotate", ring=keys_of(2, 1))
        shown = await run("stats", "--json", ring=keys_of(2))

        assert resealed == 200
        assert resumed.stdout.splitlines() == [
            "Sealed anew: 250. Changed in game_keys: 0.",
            "KEY_ENCRYPTION_KEYS may lose these versions now: 1.",
        ]
        assert json.loads(shown.stdout)["totals"]["free"] == len(key_texts(450, prefix=game_id))
