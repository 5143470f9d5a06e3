"""What an account says no to."""

from typing import Final

from keyshop.kit.errors import Conflict, Invalid, NotFound, Unauthenticated

NO_TOKEN: Final = "Authentication required. Please provide a valid token."  # noqa: S105 - a sentence
NOT_A_TOKEN: Final = "Invalid token format. Please login again."  # noqa: S105 - a sentence
BAD_TOKEN: Final = "Invalid or expired token. Please login again."  # noqa: S105 - a sentence
ODD_CLAIMS: Final = "Invalid token payload. Please login again."
BAD_REFRESH_TOKEN: Final = "Invalid or expired refresh token"  # noqa: S105 - a sentence
DEAD_REFRESH_TOKEN: Final = "Invalid refresh token"  # noqa: S105 - a sentence
NO_SUCH_USER: Final = "User not found"


class TokenRefused(Unauthenticated):
    """The token is none of ours, is over, or was taken back; signing in gives a new one."""

    def __init__(self, message: str = BAD_TOKEN) -> None:
        super().__init__(message)


class AccountChanged(Conflict):
    """Role or password changed, or the account went, since it was read: read it again."""

    def __init__(self) -> None:
        super().__init__("The account has just been changed. Please sign in again.")


class AccountInvalid(Invalid):
    """A field of the form cannot be taken; the sentence says which, and how it must be."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"Validation failed: {sentence}")


class EmailTaken(Conflict):
    """Somebody has an account with this address."""

    def __init__(self) -> None:
        super().__init__("User with this email already exists")


class WrongCredentials(Unauthenticated):
    """No such account, another password, or a locked account: nobody learns which."""

    def __init__(self) -> None:
        super().__init__("Invalid email or password")


class UserNotFound(NotFound):
    """There is no such account, or it was erased."""

    def __init__(self, email_or_id: str | None = None) -> None:
        super().__init__(
            NO_SUCH_USER
            if email_or_id is None
            else f"No account has the address or id {email_or_id!r}."
        )


class PasswordInvalid(Invalid):
    """The passwords of a change are not both there, or the present one is another."""


class PasswordNotHere(Invalid):
    """A password was sent along with a profile."""

    def __init__(self) -> None:
        super().__init__(
            "The password is changed on its own, together with the present one: "
            "PUT /api/user/password."
        )


class EmailTokenRefused(Invalid):
    """A mailed code or link is over, was used, or is not the one that was mailed."""


class AlreadyVerified(Invalid):
    """The address needs no verification any more."""

    def __init__(self) -> None:
        super().__init__("Email is already verified")


class EmailRequired(Invalid):
    """It was not said whose password is to be reset."""

    def __init__(self) -> None:
        super().__init__("Email is required")
