import pytest

from keyshop.gateways.g2a.calls import DETAILS, KEY, ORDER, PAY, PRODUCTS
from keyshop.gateways.g2a.error_codes import response_error
from keyshop.supplier.errors import OutcomeUnknown, SupplierRefused, SupplierUnavailable
from tests.factories.canned_supplier import SANDBOX

_REFUSED_EVERYWHERE = ["AUTH01", "AUTH02", "AUTH03", "AUTH04", "CTTYPE", "BR01", "BR02", "BR04"]
_REFUSED_EVERYWHERE += ["BR08", "WRONGURL", "PR01", "PR02", "PR03", "PR04", "PR05"]
_REFUSED_EVERYWHERE += ["ORD01", "ORD02", "ORD04", "ORD112", "ORD113", "ORD114", "ORD121"]


def judge(call, status, code="", message="No."):
    body = b'{"status": "ERROR", "message": "%b", "code": "%b"}' % (message.encode(), code.encode())
    return response_error(call, status, body, credentials=SANDBOX)


class TestRefusal:
    @pytest.mark.parametrize("call", [PRODUCTS, ORDER, PAY, DETAILS, KEY], ids=lambda c: c.endpoint)
    @pytest.mark.parametrize("code", _REFUSED_EVERYWHERE)
    def test_of_a_documented_kind_is_final(self, call, code) -> None:
        error = judge(call, 400, code)

        assert type(error) is SupplierRefused
        assert error.code == code

    @pytest.mark.parametrize("call", [PRODUCTS, ORDER, PAY, DETAILS, KEY], ids=lambda c: c.endpoint)
    @pytest.mark.parametrize(
        ("status", "code"),
        [(429, "BR03"), (403, "ORD03"), (402, "ORD05"), (400, "ORD05"), (400, "ORD06")],
    )
    def test_for_now_may_be_tried_again(self, call, status, code) -> None:
        error = judge(call, status, code)

        assert type(error) is SupplierUnavailable
        assert error.code == code

    @pytest.mark.parametrize("code", ["ORD110", "ORD111", "ORD120"])
    def test_of_a_payment_that_went_wrong_halfway_leaves_its_outcome_open(self, code) -> None:
        assert type(judge(PAY, 400, code)) is OutcomeUnknown

    @pytest.mark.parametrize("call", [ORDER, PAY, KEY], ids=lambda c: c.endpoint)
    @pytest.mark.parametrize("code", ["", "API00", "ERR99", "ORD122", "BR04", "ORD112"])
    def test_with_a_failed_server_leaves_the_outcome_of_an_effect_open(self, call, code) -> None:
        error = judge(call, 502, code)

        assert type(error) is OutcomeUnknown
        assert error.code == (code or None)

    @pytest.mark.parametrize("call", [PRODUCTS, DETAILS], ids=lambda c: c.endpoint)
    @pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
    def test_with_a_failed_server_means_unavailable_for_a_call_without_effect(
        self, call, status
    ) -> None:
        assert type(judge(call, status)) is SupplierUnavailable

    def test_knows_the_other_spelling_of_a_key_that_was_handed_out(self) -> None:
        assert judge(KEY, 404, "ORD004").code == "ORD04"

    @pytest.mark.parametrize("body", [b"", b"<html>Forbidden</html>", b"[]", b'{"code": 7}'])
    @pytest.mark.parametrize(
        ("call", "status", "family", "code"),
        [
            (PRODUCTS, 401, SupplierRefused, "AUTH02"),
            (PRODUCTS, 403, SupplierRefused, None),
            (PRODUCTS, 404, SupplierRefused, None),
            (PRODUCTS, 302, SupplierUnavailable, None),
            (PRODUCTS, 429, SupplierUnavailable, "BR03"),
            (ORDER, 429, SupplierUnavailable, "BR03"),
            (KEY, 402, SupplierUnavailable, "ORD05"),
            # A proxy answered; whether G2A received the call is unknown.
            (PAY, 403, OutcomeUnknown, None),
            (PAY, 302, OutcomeUnknown, None),
            (KEY, 408, OutcomeUnknown, None),
        ],
    )
    def test_without_a_code_goes_by_its_status(self, call, status, family, code, body) -> None:
        error = response_error(call, status, body, credentials=SANDBOX)

        assert type(error) is family
        assert error.code == code

    def test_with_an_unknown_code_quotes_the_supplier(self) -> None:
        error = judge(ORDER, 400, "ORD77", "Product is out of stock.")

        assert type(error) is SupplierRefused
        assert error.code == "ORD77"
        assert "Product is out of stock." in str(error)

    @pytest.mark.parametrize("secret", [SANDBOX.api_key().reveal(), SANDBOX.email])
    def test_is_not_quoted_when_it_repeats_a_secret(self, secret) -> None:
        error = judge(PRODUCTS, 400, "XX99", f"You sent {secret}")

        assert secret not in str(error)
