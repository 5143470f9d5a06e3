"""Tests that kill what runs, and look whether the shop gets over it."""
