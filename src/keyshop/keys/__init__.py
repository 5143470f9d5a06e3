"""The vault: the shop's own keys, sealed, and which of them may be sold."""
