"""The `keyshop` command."""
