"""Entry points: each turns a request, a job or a command into a call of a feature."""
