"""The way to Redis, which may forget everything."""
