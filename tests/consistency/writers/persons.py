"""Writes a customer's data with the shop's operations, or in a separate transaction."""

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from tests.consistency.contents import is_stocked, title_of
from tests.consistency.keys import Family, Key, Kind, choose_personal, of_kind
from tests.consistency.writers.config import Writing
from tests.consistency.writers.in_transaction import Versions, write_in_transaction
from tests.consistency.writers.person_rows import lock_version, put_version
from tests.consistency.writers.verbs import end_sign_ins, step_basket, step_profile

_BY_VERB = 0.6
_TITLE = "SELECT split_part(title, ' ', 3)::integer FROM games WHERE id = $1 FOR NO KEY UPDATE"
_PUT_TITLE = 'UPDATE games SET title = $2, "inStock" = $3 WHERE id = $1'


class PersonWriter:
    """Changes one customer's profile, basket or sign-ins, or a game that stands in every basket."""

    def __init__(self, writing: Writing, db: Database) -> None:
        self._writing = writing
        self._db = db
        self._keys = of_kind(Kind.PERSON)
        self._titles = of_kind(Kind.TITLE)

    async def write(self) -> None:
        """Write the next version of one key."""
        dice = self._writing.dice
        if dice.random() < 0.1:
            await self._write_title(dice.choice(self._titles))
            return
        key = choose_personal(dice, self._keys)
        if key.family is not Family.ACCESS and dice.random() < _BY_VERB:
            await self._write_by_verb(key)
        else:
            await self._write_in_transaction(key)

    async def _write_by_verb(self, key: Key) -> None:
        async with self._db.transaction() as tx:
            old = await lock_version(tx, key)
        async with self._writing.noted({key.number: old + 1}):
            if key.family is Family.PROFILE:
                await step_profile(self._db, key, old)
            else:
                await step_basket(self._db, key, old, old + 1, dice=self._writing.dice)

    async def _write_in_transaction(self, key: Key) -> None:
        dice = self._writing.dice
        old = 0

        async def choose(tx: Transaction) -> Versions:
            nonlocal old
            old = await lock_version(tx, key)
            return {key.number: old + 1}

        async def change(tx: Transaction, versions: Versions) -> None:
            if key.family is Family.ACCESS and dice.random() < _BY_VERB:
                await end_sign_ins(tx, key, old, dice=dice)
            await put_version(tx, key, old=old, new=versions[key.number], dice=dice)

        await write_in_transaction(self._writing, self._db, choose=choose, change=change)

    async def _write_title(self, key: Key) -> None:
        async def choose(tx: Transaction) -> Versions:
            version: int = await tx.fetchval(_TITLE, key.id)
            return {key.number: version + 1}

        async def change(tx: Transaction, versions: Versions) -> None:
            version = versions[key.number]
            await tx.execute(_PUT_TITLE, key.id, title_of(version), is_stocked(version))

        await write_in_transaction(self._writing, self._db, choose=choose, change=change)
