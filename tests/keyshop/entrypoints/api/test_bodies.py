"""The repr of bodies that contain secrets."""

import msgspec
import pytest

from keyshop.accounts.models import Role
from keyshop.entrypoints.api.auth import AuthSession, AuthUser
from keyshop.entrypoints.http import requests

SECRETS = ("password", "token", "code")


def bodies_with_secrets() -> list[type[msgspec.Struct]]:
    return [
        kind
        for kind in vars(requests).values()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and any(word in name for name in kind.__struct_fields__ for word in SECRETS)
    ]


class TestBody:
    @pytest.mark.parametrize("kind", bodies_with_secrets())
    def test_prints_no_secret(self, kind):
        body = kind(**dict.fromkeys(kind.__struct_fields__, "hush"))

        assert repr(body) == f"{kind.__name__}(...)"

    def test_with_a_secret_is_found(self):
        names = {kind.__name__ for kind in bodies_with_secrets()}

        assert names == {
            "ChangePasswordBody",
            "CreateOrderBody",
            "RefreshBody",
            "RegisterBody",
            "ResetPasswordBody",
            "VerifyEmailBody",
        }


class TestAuthSession:
    def test_prints_no_token(self):
        session = AuthSession(
            user=AuthUser(id="1", email="alice@example.com", nickname="Alice", role=Role.USER),
            token="hush",
            refresh_token="hush",
            expires_in=3600,
            migration=None,
        )

        assert repr(session) == "AuthSession(user='1')"
