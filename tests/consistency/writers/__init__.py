"""The writers: each a process of its own, each in its own way, each with games of its own."""
