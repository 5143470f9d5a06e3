"""The catalogue and its rules."""
