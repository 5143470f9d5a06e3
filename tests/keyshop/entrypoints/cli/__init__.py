"""Tests of the `keyshop` command, as processes of its own."""
