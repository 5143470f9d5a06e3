"""Tests of the way to mail servers."""
