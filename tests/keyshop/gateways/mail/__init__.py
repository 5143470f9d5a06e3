"""Tests of the mailers."""
