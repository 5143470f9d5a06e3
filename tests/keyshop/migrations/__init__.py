"""The database from nothing to what the shop works with."""
