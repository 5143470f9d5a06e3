"""Why an operation on an account is refused."""

from typing import Final

from keyshop.kit.errors import Conflict, Invalid, NotFound, Unauthenticated

NO_TOKEN: Final = "Authentication required. Please provide a valid token."  # noqa: S105 - a sentence
NOT_A_TOKEN: Final = "Invalid token format. Please login again."  # noqa: S105 - a sentence
BAD_TOKEN: Final = "Invalid or expired token. Please login again."  # noqa: S105 - a sentence
BAD_CLAIMS: Final = "Invalid token payload. Please login again."
BAD_REFRESH_TOKEN: Final = "Invalid or expired refresh token"  # noqa: S105 - a sentence
REVOKED_REFRESH_TOKEN: Final = "Invalid refresh token"  # noqa: S105 - a sentence
NO_SUCH_USER: Final = "User not found"


class TokenRefused(Unauthenticated):
    """The token is not valid, has expired, or was revoked; signing in gives a new one."""

    def __init__(self, message: str = BAD_TOKEN) -> None:
        super().__init__(message)


class AccountChanged(Conflict):
    """Role or password changed, or the account was erased, since it was read: read it again."""

    def __init__(self) -> None:
        super().__init__("The account has just been changed. Please sign in again.")


class AccountInvalid(Invalid):
    """A field is not acceptable; the sentence names it and its rule."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"Validation failed: {sentence}")


class EmailTaken(Conflict):
    """The address already has an account."""

    def __init__(self) -> None:
        super().__init__("User with this email already exists")


class WrongCredentials(Unauthenticated):
    """No such account, a wrong password, or a locked account: the answer does not say which."""

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


class CustomerHasOpenOrders(Conflict):
    """A key is paid for and neither delivered nor refunded, so the account cannot be erased yet."""

    def __init__(self) -> None:
        super().__init__("This customer has orders under way.")


class PasswordInvalid(Invalid):
    """A password change lacks a password, the current one is wrong, or the new one breaks a rule."""


class PasswordNotHere(Invalid):
    """A password was sent with the profile."""

    def __init__(self) -> None:
        super().__init__(
            "The password cannot be changed with the profile. "
            "Send it with the current password to PUT /api/user/password."
        )


class EmailTokenRefused(Invalid):
    """A mailed code or link has expired, was used, or is not the one that was mailed."""

    def __init__(
        self, message: str = "This link is no longer valid. Please ask for a new one."
    ) -> None:
        super().__init__(message)


class AlreadyVerified(Invalid):
    """The address is verified already."""

    def __init__(self) -> None:
        super().__init__("Email is already verified")


class EmailRequired(Invalid):
    """A password reset was requested without an address."""

    def __init__(self) -> None:
        super().__init__("Email is required")
