"""`keyshop db ...`: the database's schema."""

import typer

from keyshop.assembly import database_server
from keyshop.entrypoints.cli.output import AsJson, print_json
from keyshop.entrypoints.cli.session import read_settings
from keyshop.kit import migrate

app = typer.Typer(no_args_is_help=True)

_STATES = {
    "empty": "is empty",
    "ours": "was made by keyshop",
    "newer": "was made by a newer keyshop",
    "foreign": "was not made by keyshop",
}


@app.command()
def upgrade(as_json: AsJson = False) -> None:
    """Bring the database to the newest revision."""
    with database_server(read_settings()) as url:
        applied = migrate.upgrade(url)
    if as_json:
        print_json({"applied": applied})
    elif applied:
        typer.echo("Applied:\n" + "\n".join(f"  {name}" for name in applied))
    else:
        typer.echo("The database is at the newest revision; nothing was changed.")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Tell where the database stands."""
    with database_server(read_settings()) as url:
        found = migrate.status(url)
    if as_json:
        print_json(found)
        return
    typer.echo(f"The database {_STATES[found.state]}.")
    typer.echo(f"Revision: {found.current or 'none'}; the newest is {found.head}.")
    for name in found.pending:
        typer.echo(f"  to be applied: {name}")
