"""Carts and wishlists of customers and guests, and how a guest's become a customer's."""
