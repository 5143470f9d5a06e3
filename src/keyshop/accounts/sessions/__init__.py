"""Sign-ins: token families, the tokens of each, and whether they still hold."""
