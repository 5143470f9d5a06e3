"""`python -m keyshop` is the `keyshop` command."""

from keyshop.entrypoints.cli.main import main

main()
