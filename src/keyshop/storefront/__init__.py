"""What a visitor sees: games, lists, search and filters, as encoded answers after their entity tags."""
