"""The ways in: each turns something from outside into one call of a feature."""
