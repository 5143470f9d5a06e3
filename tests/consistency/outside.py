"""A running shop that the checker did not start: it is read and written, with games added for the run."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.consistency.keys import Kind
from tests.consistency.options import Options
from tests.consistency.parts import PER_SECOND, Parts
from tests.keyshop.entrypoints.cli.shop_process import shop_environment


@contextmanager
def foreign_world(options: Options) -> Iterator[Parts]:
    """Plan writers and readers for a running shop; its supplier and its sync are not touched."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        notes = Path(folder)
        parts = Parts(notes, options, database_url=options.database_url or "")
        parts.base_urls = list(options.base_urls)
        parts.redis_url = options.redis_url
        parts.secret = os.environ.get("JWT_SECRET")
        env = shop_environment(
            notes / "home",
            KEYSHOP_ENV=os.environ.get("KEYSHOP_ENV", "test"),
            DATABASE_URL=parts.database_url,
            LOG_LEVEL="warning",
            KEY_ENCRYPTION_KEYS=os.environ["KEY_ENCRYPTION_KEYS"],
            **({"REDIS_URL": options.redis_url} if options.redis_url else {"CACHE_MODE": "off"}),
        )
        for kind in PER_SECOND:
            if kind is not Kind.SYNC:
                parts.add_writer(kind, env=env, logs=notes)
        for place in range(options.persons if options.redis_url else 0):
            parts.add_reader(place, env=env, logs=notes)
        for child in parts.children:
            stack.callback(child.end)
        yield parts
