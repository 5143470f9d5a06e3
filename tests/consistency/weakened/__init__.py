"""Caches without one rule, used by the checker alone, which must catch each of them."""
