"""Tests that kill processes and check that the shop recovers."""
