"""The supplier's catalogue and stock, brought into the shop page by page."""
