"""What is promised about the shop."""
