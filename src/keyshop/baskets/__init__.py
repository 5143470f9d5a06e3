"""Carts and wishlists, of customers and of guests, and how the one becomes the other."""
