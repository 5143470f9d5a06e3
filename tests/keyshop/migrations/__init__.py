"""Tests of the revisions, from an empty database to the newest schema."""
