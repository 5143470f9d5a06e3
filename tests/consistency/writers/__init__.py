"""The writers: one process and one set of keys for each kind."""
