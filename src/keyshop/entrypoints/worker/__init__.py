"""The way in for news and for the clock: takes jobs from the queue and hands each to its feature."""
