"""Caches with one rule taken away, in the checker alone: each of them must be caught."""
