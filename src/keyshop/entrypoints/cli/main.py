"""The `keyshop` command: runs the subcommand; turns errors into a sentence and an exit status."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer

from keyshop.embedded.folder import make_home
from keyshop.kit.errors import ShopError
from keyshop.kit.metrics import share_metrics
from keyshop.supplier.errors import SupplierError

# Modules of this package that define a command, or a group of commands, as `app`.
_COMMANDS: Final = {
    "up": "Run the whole shop in this terminal.",
    "api": "Run only the API.",
    "worker": "Run only the worker, with its schedule.",
    "db": "Migrate the database; attach one that Prisma made.",
    "sync": "Synchronise the supplier's catalogue and stock.",
    "users": "Manage customers and administrators.",
    "keys": "Manage the shop's own keys.",
    "promo": "Create and list promo codes.",
    "wallet": "Show and correct customers' balances.",
    "cache": "Show and clear the cache.",
    "jobs": "List, retry and delete jobs of the worker.",
    "g2a": "Query the supplier.",
}


def main() -> None:
    """Run the command line; exit with 0, 1 (refused or failed, with a sentence) or 2 (usage)."""
    try:
        build(sys.argv[1:])()
    except (ShopError, SupplierError) as error:
        typer.echo(f"keyshop: {error}", err=True)
        sys.exit(1)


def build(arguments: Sequence[str]) -> typer.Typer:
    """
    Return the command line: the called subcommand, and of the others only name and help.

    Importing all of them would make every command slow to start.
    """
    called = next((word for word in arguments if not word.startswith("-")), None)
    if called in _COMMANDS and "--help" not in arguments:
        _share_metrics()
    app = typer.Typer(
        help="The backend of a shop that sells digital game keys.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name, line in _COMMANDS.items():
        app.add_typer(
            _import_command(name) if name == called else _placeholder(), name=name, help=line
        )
    return app


def _share_metrics() -> None:
    settings = import_module("keyshop.settings").load_settings()
    make_home(settings.keyshop_home)
    share_metrics(settings.metrics_folder)


def _import_command(name: str) -> typer.Typer:
    app = import_module(f"keyshop.entrypoints.cli.{name}").app
    if not isinstance(app, typer.Typer):
        raise TypeError(f"{name}.app is no Typer application.")
    return app


def _placeholder() -> typer.Typer:
    app = typer.Typer()
    app.callback(invoke_without_command=True)(_nothing)
    return app


def _nothing() -> None:
    """Do nothing; the command is only listed."""
