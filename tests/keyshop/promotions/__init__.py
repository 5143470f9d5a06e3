"""Tests of promo codes."""
