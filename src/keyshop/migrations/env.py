"""
What Alembic runs to turn revisions into SQL.

Only text is made here: `keyshop.schema.migrate` opens the transaction and sends the text to
PostgreSQL as it stands. So a revision may hold any number of statements, and a colon or a per cent
sign in it is nobody's parameter.
"""

from alembic import context

if not context.is_offline_mode():
    raise RuntimeError(
        "The revisions are applied by `keyshop db upgrade`; Alembic itself only prints them (--sql)."
    )

context.configure(
    dialect_name="postgresql",
    version_table_schema="keyshop",
    output_buffer=context.config.output_buffer,
)
# A change of a table waits for everybody who reads it, and everybody who comes later waits for the
# change: it gives way, and keyshop.schema.lock_timeout says when.
context.execute(
    f"SET LOCAL lock_timeout = '{context.config.attributes.get('lock_timeout', '400ms')}'"
)
context.execute("CREATE SCHEMA IF NOT EXISTS keyshop")
context.run_migrations()
