"""Measures the shop's speed beside a reference, in the same run on the same machine."""
