"""Tests of many steps through the whole shop."""
