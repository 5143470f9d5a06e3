"""The speed and the cost of the guarded cache."""
