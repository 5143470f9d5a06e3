import pytest

from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.kit.errors import Invalid
from keyshop.kit.secrets import Secret
from tests.factories.canned_supplier import SANDBOX


class TestCredentials:
    @pytest.mark.parametrize(
        ("credentials", "key"),
        [
            (SANDBOX, "74026b3dc2c6db6a30a73e71cdb138b1e1b5eb7a97ced46689e2d28db1050875"),
            (
                G2ACredentials(
                    client_id="games-games-games",
                    email="test123@integration-api.g2a",
                    client_secret=Secret("quite-nice-secret"),
                ),
                "5feaefae655d6d2dcfb27f22e700495aa90e255fc0ad93bc22dfc0ed770fae21",
            ),
        ],
    )
    def test_derive_the_key_that_g2a_derives(self, credentials, key) -> None:
        assert credentials.api_key().reveal() == key
        assert credentials.authorization().reveal() == f"{credentials.client_id}, {key}"

    @pytest.mark.parametrize("client_id", ["", "abc\n", "abc\0", "schlüssel"])
    def test_refuse_an_id_that_is_no_header_value_without_printing_it(self, client_id):
        with pytest.raises(Invalid) as refused:
            G2ACredentials(client_id=client_id, email="e", client_secret=Secret("s"))

        assert not client_id or client_id.strip() not in str(refused.value)

    def test_print_no_secret(self) -> None:
        assert SANDBOX.client_secret.reveal() not in repr(SANDBOX)
        assert SANDBOX.api_key().reveal() not in repr(SANDBOX.authorization())
