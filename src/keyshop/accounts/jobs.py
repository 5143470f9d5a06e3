"""Messages to the worker: somebody is to get a mail."""

from typing import ClassVar

from keyshop.kit.jobs import Job


class MailWelcome(Job, frozen=True):
    """Somebody has registered; the mail also proves the address."""

    name: ClassVar[str] = "mail_welcome"
    user_id: str
    proof_id: str


class MailVerification(Job, frozen=True):
    """Somebody wants to prove the address."""

    name: ClassVar[str] = "mail_verification"
    user_id: str
    proof_id: str


class MailReset(Job, frozen=True):
    """Somebody who has forgotten the password wants another; there may be no such account."""

    name: ClassVar[str] = "mail_reset"
    user_id: str
    proof_id: str


class MailLockNotice(Job, frozen=True):
    """Somebody has given wrong passwords until the account was locked."""

    name: ClassVar[str] = "mail_lock_notice"
    user_id: str
    notice_id: str = ""
    """Another one for each row of wrong passwords."""
