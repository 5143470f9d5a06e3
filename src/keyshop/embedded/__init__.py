"""Starts and stops the PostgreSQL and the Valkey that come with the extra `embedded`."""
