"""What the shop asks of any mailer, and how a mail is sent only once."""
