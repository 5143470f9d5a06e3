"""Tests of carts and wishlists."""
