"""Jobs that send mails; `proof_id` is the id of an email token."""

from typing import ClassVar

from keyshop.kit.jobs import Job


class MailWelcome(Job, frozen=True):
    """Welcome a new customer, with a code that verifies the address."""

    name: ClassVar[str] = "mail_welcome"
    user_id: str
    proof_id: str


class MailVerification(Job, frozen=True):
    """Send the code and the link that verify the address."""

    name: ClassVar[str] = "mail_verification"
    user_id: str
    proof_id: str


class MailReset(Job, frozen=True):
    """Send the link that resets the password; the account may not exist."""

    name: ClassVar[str] = "mail_reset"
    user_id: str
    proof_id: str


class MailLockNotice(Job, frozen=True):
    """Inform the owner that wrong passwords have locked the account."""

    name: ClassVar[str] = "mail_lock_notice"
    user_id: str
    notice_id: str = ""
    """Unique for each series of wrong passwords, so that each gets a mail of its own."""
