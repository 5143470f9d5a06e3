"""What an account says no to."""

from typing import Final

from keyshop.kit.errors import Conflict, Unauthenticated

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
