"""Carries mails: over SMTP, or into a folder."""
