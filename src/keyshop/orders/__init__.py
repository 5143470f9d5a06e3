"""A customer's order, from placed to delivered, cancelled or refunded."""
