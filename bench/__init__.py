"""How fast the shop is, measured beside what it could be at best, in one run on one machine."""
