"""
Alembic runs this file to turn revisions into SQL.

Revisions are only added. Never change a file in versions/: databases have applied it. The one exception
was the rewriting of 0001 to 0010 before the first release; their old ids are
`keyshop.schema.revisions.UNRELEASED_IDS`, and the next revision is 0011.

This file only prints: `keyshop.schema.migrate` opens the transaction and sends the text to PostgreSQL
unchanged. So a revision may hold any number of statements, and a colon or a per cent sign in it is not
taken for a parameter.
"""

from alembic import context

if not context.is_offline_mode():
    raise RuntimeError(
        "Alembic only prints the revisions (--sql). Run `keyshop db upgrade` to apply them."
    )

context.configure(
    dialect_name="postgresql",
    version_table_schema="keyshop",
    output_buffer=context.config.output_buffer,
)
# A lock that waits for a table blocks every later request for the table, so the wait is short. The
# caller repeats the transaction: see keyshop.schema.retry_on_lock_timeout.
context.execute(
    f"SET LOCAL lock_timeout = '{context.config.attributes.get('lock_timeout', '400ms')}'"
)
context.execute("CREATE SCHEMA IF NOT EXISTS keyshop")
context.run_migrations()
