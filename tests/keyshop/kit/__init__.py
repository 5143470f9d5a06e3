"""Tests of the tools that do not depend on games."""
