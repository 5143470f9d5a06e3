"""What is promised about the servers that keyshop starts itself."""
