"""Promo codes: what they take off an order, and how often they may be used."""
