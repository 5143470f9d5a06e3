"""The guarded cache: answers in Redis that are never older than an acknowledged write."""
