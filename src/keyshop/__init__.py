"""The backend of a shop that sells digital game keys."""
