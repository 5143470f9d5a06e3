"""Limits, wrong passwords and the locks that follow them, for every check of a password."""
