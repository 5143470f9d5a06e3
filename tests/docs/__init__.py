"""The documents name only what exists, and their lists are complete."""
