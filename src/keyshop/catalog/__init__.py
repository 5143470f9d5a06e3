"""The shop's games with their genres, platforms, categories and tags, and the price rule."""
