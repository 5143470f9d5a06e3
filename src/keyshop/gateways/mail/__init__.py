"""Sends mails over SMTP, or writes them to a folder."""
