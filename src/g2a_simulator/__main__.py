"""`python -m g2a_simulator` is the `g2a-simulator` command."""

from g2a_simulator.cli import main

main()
