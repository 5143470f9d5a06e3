"""Tests of upgrading, attaching and detaching databases."""
