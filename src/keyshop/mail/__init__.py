"""The protocol of mailers, and how a mail is sent only once."""
