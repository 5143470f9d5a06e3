"""Starts and stops the PostgreSQL and the Valkey of the extra `embedded`."""
