"""The shop accepts the tokens that it signs, and no others."""

import base64
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.accounts.addresses import normalise
from keyshop.accounts.errors import TokenRefused
from keyshop.accounts.models import Account, Role, TokenPair
from keyshop.accounts.sessions.tokens import Claims, Tokens
from keyshop.kit.secrets import Secret
from tests.factories.games import NOON
from tests.factories.sessions import HOUR, MONTH, make_tokens

ALICE = Account(
    id="alice-id",
    email=normalise("alice@example.com"),
    nickname="Alice",
    first_name=None,
    last_name=None,
    avatar=None,
    role=Role.USER,
    email_verified=False,
    password_hash=Secret("none"),
    created_at=NOON,
)
SECOND = timedelta(seconds=1)
SECRET = b"a" * 32
GOOD_HEADER = {"alg": "HS256", "typ": "JWT"}
GOOD_CLAIMS = {
    "userId": "alice-id",
    "email": "alice@example.com",
    "role": "USER",
    "iat": int(NOON.timestamp()),
    "exp": int(NOON.timestamp()) + 3600,
    "typ": "access",
    "iss": "keyshop",
    "aud": "keyshop",
    "jti": "token-id",
    "fid": "family-id",
}

tokens = make_tokens()
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def access_token(signer: Tokens = tokens) -> str:
    return signer.sign_access(ALICE, family_id="family-id", now=NOON)


def refresh_token(signer: Tokens = tokens) -> str:
    return signer.sign_refresh(
        ALICE,
        family_id="family-id",
        token_id="token-id",
        issued_at=NOON,
        expires_at=NOON + MONTH,
    )


def read(token: str) -> Claims:
    """Read an access token in a process that has verified none before."""
    return make_tokens().read_access(token, now=NOON)


def forge(
    header: object = GOOD_HEADER,
    payload: object = GOOD_CLAIMS,
    *,
    key: bytes = SECRET,
    digest: str = "sha256",
) -> str:
    """Sign the header and the payload; bytes stay as they are."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    ]
    signed = b".".join(encode(part) for part in parts)
    signature = encode(hmac.digest(key, signed, digest))
    return (signed + b"." + signature).decode()


def encode(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def refused(token: str) -> str:
    """Read the token, which must be refused, and return the message."""
    with pytest.raises(TokenRefused) as caught:
        read(token)
    return str(caught.value)


class TestAccessToken:
    def test_has_the_claims_of_the_contract(self):
        head, payload, _ = access_token().split(".")

        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        assert json.loads(base64.urlsafe_b64decode(head + "==")) == GOOD_HEADER
        assert claims.pop("jti")
        assert claims == {name: GOOD_CLAIMS[name] for name in GOOD_CLAIMS if name != "jti"}

    def test_is_unique(self):
        assert access_token() != access_token()

    def test_is_read_by_any_process_of_the_shop(self):
        assert read(access_token()).user_id == "alice-id"

    def test_is_valid_until_its_last_second(self):
        token = access_token()

        assert tokens.read_access(token, now=NOON + HOUR - SECOND).fid == "family-id"
        for reader in (tokens, make_tokens()):
            with pytest.raises(TokenRefused, match="Invalid or expired token"):
                reader.read_access(token, now=NOON + HOUR)

    def test_is_refused_after_expiry_by_a_process_that_has_verified_it(self):
        reader, token = make_tokens(), access_token()
        reader.read_access(token, now=NOON)

        for _ in range(2):
            with pytest.raises(TokenRefused):
                reader.read_access(token, now=NOON + HOUR)

    def test_is_not_accepted_as_a_refresh_token_nor_the_other_way_round(self):
        # With one secret, only the type distinguishes them.
        careless = make_tokens(access="s" * 32, refresh="s" * 32)

        for shop in (tokens, careless):
            with pytest.raises(TokenRefused):
                shop.read_access(refresh_token(shop), now=NOON)
            with pytest.raises(TokenRefused, match="Invalid or expired refresh token"):
                shop.read_refresh(access_token(shop), now=NOON)

    def test_is_refused_when_one_character_differs(self):
        token = access_token()

        for place in range(0, len(token) - 1, 7):
            other = "A" if token[place] != "A" else "B"
            assert refused(token[:place] + other + token[place + 1 :])

    def test_is_remembered_with_ten_thousand_others_at_most(self):
        reader = make_tokens()
        first = access_token()

        reader.read_access(first, now=NOON)
        for _ in range(10_050):
            reader.read_access(access_token(), now=NOON)

        assert len(reader._verified) == 10_000
        assert reader.read_access(first, now=NOON).user_id == "alice-id"


class TestForgedToken:
    def test_is_accepted_when_forged_correctly_so_that_the_other_tests_show_something(self):
        assert read(forge()).user_id == "alice-id"

    @pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
    def test_without_an_algorithm_is_refused(self, name: str):
        signed = forge({"alg": name, "typ": "JWT"})
        unsigned = signed.rpartition(".")[0]

        for token in (signed, f"{unsigned}.", unsigned, f"{unsigned}.AA"):
            assert refused(token)

    @pytest.mark.parametrize(
        ("name", "digest"), [("HS384", "sha384"), ("HS512", "sha512"), ("RS256", "sha256")]
    )
    def test_of_another_algorithm_is_refused_although_the_secret_is_right(
        self, name: str, digest: str
    ):
        assert refused(forge({"alg": name, "typ": "JWT"}, digest=digest))
        assert refused(forge({"alg": name, "typ": "JWT"}))

    def test_of_another_secret_is_refused(self):
        assert refused(forge(key=b"b" * 32)) == "Invalid or expired token. Please login again."
        assert refused(forge(key=b""))

    def test_that_brings_its_own_key_is_refused(self):
        own = b"thief" * 8
        header = GOOD_HEADER | {
            "jwk": {"kty": "oct", "k": encode(own).decode()},
            "kid": "/dev/null",
        }

        assert refused(forge(header, key=own))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"iss": "another shop"},
            {"aud": "another shop"},
            {"aud": ["keyshop"]},
            {"typ": "refresh"},
            {"typ": "Access"},
            {"exp": str(GOOD_CLAIMS["exp"])},
            {"exp": True},
            {"exp": 1e300},
            {"exp": None},
            {"userId": 7},
            {"userId": None},
            {"fid": ["family-id"]},
        ],
    )
    def test_with_invalid_claims_is_refused_although_it_is_signed(self, wrong: dict[str, Any]):
        message = refused(forge(payload=GOOD_CLAIMS | wrong))

        assert message == "Invalid token payload. Please login again."

    @pytest.mark.parametrize("missing", GOOD_CLAIMS)
    def test_without_one_of_the_claims_is_refused(self, missing: str):
        claims = {name: value for name, value in GOOD_CLAIMS.items() if name != missing}

        assert refused(forge(payload=claims))

    def test_of_the_earlier_backend_is_refused(self):
        # It signed with the same secret and could not revoke a token.
        names = ("userId", "email", "role", "iat", "exp")

        assert refused(forge(payload={name: GOOD_CLAIMS[name] for name in names}))

    def test_that_has_expired_is_refused(self):
        assert refused(forge(payload=GOOD_CLAIMS | {"exp": int(NOON.timestamp())}))
        assert refused(forge(payload=GOOD_CLAIMS | {"exp": -(10**18)}))

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "..",
            "...",
            "a.b",
            "a.b.c.d",
            "Bearer x.y.z",
            "a.b.c\n",
            "\0.\0.\0",
            "\ud800.a.b",
            "é.é.é",
            "x" * 5000,
            "a." * 5_000_000,
            f"a.{'b' * 10_000_000}.c",
        ],
        ids=lambda token: f"{token[:6]!r}_{len(token)}",
    )
    def test_that_is_malformed_is_refused_however_large(self, token: str):
        assert refused(token) == "Invalid token format. Please login again."

    def test_with_a_thousand_nested_lists_is_refused(self):
        assert refused(forge(b"[" * 1500, b"x"))
        assert refused(forge(GOOD_HEADER, b"[" * 1500))
        assert refused(forge(GOOD_HEADER, b'{"more":' + b"[" * 1500))

    def test_with_a_broken_encoding_is_refused(self):
        good = json.dumps(GOOD_CLAIMS).encode()

        assert refused(forge(b'{"alg": "\xff"}'))
        assert refused(forge(payload=good.replace(b"alice-id", b"alice\xff\xfe")))
        assert refused(forge(payload=good.replace(b"alice-id", b"\\ud800")))
        assert refused(forge(b'{"alg": "HS256", "x": ' + b"1" * 2950 + b"}", b""))

    @given(token=st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
    def test_of_any_text_raises_no_other_error(self, token: str):
        assert refused(token)

    @given(parts=st.lists(st.binary(max_size=60), min_size=3, max_size=3))
    def test_of_any_three_parts_raises_no_other_error(self, parts: list[bytes]):
        assert refused(b".".join(encode(part) for part in parts).decode())

    @given(
        header=st.dictionaries(st.sampled_from(["alg", "typ", "b64", "crit", "kid", "x"]), anything)
    )
    def test_with_any_header_raises_no_other_error(self, header: dict[str, object]):
        assert refused(forge(header, key=b"b" * 32))

    @given(payload=st.binary(max_size=100) | anything)
    def test_of_any_signed_text_raises_no_other_error(self, payload: object):
        assert refused(forge(payload=payload))

    @given(name=st.sampled_from(sorted(GOOD_CLAIMS)), value=anything)
    def test_with_any_value_of_a_claim_is_refused_or_read_unchanged(self, name: str, value: object):
        try:
            claims = read(forge(payload=GOOD_CLAIMS | {name: value}))
        except TokenRefused:
            return
        assert getattr(claims, {"userId": "user_id"}.get(name, name)) == value


class TestPreviousSecret:
    new = make_tokens(
        access="n" * 32, previous_access="a" * 32, refresh="m" * 32, previous_refresh="r" * 32
    )

    def test_is_still_accepted(self):
        assert self.new.read_access(access_token(), now=NOON).user_id == "alice-id"
        assert self.new.read_refresh(refresh_token(), now=NOON).user_id == "alice-id"

    def test_never_signs(self):
        newest = make_tokens(access="n" * 32, refresh="m" * 32)

        assert newest.read_access(access_token(self.new), now=NOON).user_id == "alice-id"
        assert newest.read_refresh(refresh_token(self.new), now=NOON).user_id == "alice-id"

    def test_is_refused_once_it_is_removed(self):
        newest = make_tokens(access="n" * 32, refresh="m" * 32)

        with pytest.raises(TokenRefused):
            newest.read_access(access_token(), now=NOON)
        with pytest.raises(TokenRefused):
            newest.read_refresh(refresh_token(), now=NOON)

    def test_of_access_tokens_does_not_verify_refresh_tokens(self):
        mixed = make_tokens(access="r" * 32, previous_access="x" * 32, refresh="a" * 32)

        with pytest.raises(TokenRefused):
            mixed.read_refresh(forge(payload=GOOD_CLAIMS), now=NOON)


class TestTokenPair:
    def test_prints_without_the_tokens(self):
        pair = TokenPair(token="secret", refresh_token="secret", expires_in=3600)

        assert "secret" not in repr(pair)
        assert "secret" not in f"{pair}"
