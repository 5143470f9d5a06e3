"""The `keyshop` command: finds the subcommand, and turns refusals into a sentence and a status."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer

from keyshop.embedded.folder import make_home
from keyshop.kit.errors import ShopError
from keyshop.kit.metrics import share_metrics
from keyshop.supplier.errors import SupplierError

# The modules beside this one that define a command, or a group of them, as `app`.
_COMMANDS: Final = {
    "up": "Run the whole shop in this terminal.",
    "api": "Run the API alone.",
    "worker": "Run the worker with its schedule alone.",
    "db": "The database's schema.",
    "sync": "Bring the supplier's catalogue and stock into the shop.",
    "users": "Customers, and those who run the shop.",
    "cache": "What is kept in Redis, and whether it is trusted.",
    "jobs": "The queue of the worker.",
    "g2a": "Ask the supplier.",
}


def main() -> None:
    """Run the command line; exits with 0, 1 (refused or failed, with a sentence) or 2 (usage)."""
    try:
        build(sys.argv[1:])()
    except (ShopError, SupplierError) as refusal:
        typer.echo(f"keyshop: {refusal}", err=True)
        sys.exit(1)


def build(arguments: Sequence[str]) -> typer.Typer:
    """
    Return the command line, with the subcommand that is called and the names of the others.

    Importing all of them would take longer than `--help` may.
    """
    called = next((word for word in arguments if not word.startswith("-")), None)
    if called in _COMMANDS and "--help" not in arguments:
        _count_with_the_others()
    app = typer.Typer(
        help="The backend of a shop that sells digital game keys.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name, line in _COMMANDS.items():
        app.add_typer(_load(name) if name == called else _name_only(), name=name, help=line)
    return app


def _count_with_the_others() -> None:
    settings = import_module("keyshop.settings").load_settings()
    make_home(settings.keyshop_home)
    share_metrics(settings.metrics_folder)


def _load(name: str) -> typer.Typer:
    app = import_module(f"keyshop.entrypoints.cli.{name}").app
    if not isinstance(app, typer.Typer):
        raise TypeError(f"{name}.app is no Typer application.")
    return app


def _name_only() -> typer.Typer:
    app = typer.Typer()
    app.callback(invoke_without_command=True)(_nothing)
    return app


def _nothing() -> None:
    """Stand for a command that is only listed."""
