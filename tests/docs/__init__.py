"""The documents keep their word: what they name exists, and what exists is named."""
