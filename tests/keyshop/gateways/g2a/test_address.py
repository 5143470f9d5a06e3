import pytest

from keyshop.gateways.g2a.address import api_root, is_on_this_machine
from keyshop.kit.errors import Invalid


class TestApiRoot:
    @pytest.mark.parametrize(
        "written",
        [
            "https://api.g2a.com",
            "https://api.g2a.com/",
            "https://api.g2a.com/v1",
            "https://api.g2a.com/v1/",
        ],
    )
    def test_ends_in_the_version_once(self, written) -> None:
        assert api_root(written) == "https://api.g2a.com/v1"

    @pytest.mark.parametrize(
        "written",
        ["", "api.g2a.com", "ftp://api.g2a.com", "https://", "https://h:port", "https://h/?a=b"],
    )
    def test_refuses_an_invalid_address(self, written) -> None:
        with pytest.raises(Invalid, match="must look like"):
            api_root(written)

    def test_refuses_an_address_with_a_password_without_printing_it(self) -> None:
        with pytest.raises(Invalid) as refused:
            api_root("https://alice:hunter2@api.g2a.com")

        assert "hunter2" not in str(refused.value)


class TestIsOnThisMachine:
    @pytest.mark.parametrize(
        ("address", "here"),
        [
            ("http://127.0.0.1:9001/v1", True),
            ("http://localhost:9001", True),
            ("http://[::1]:9001", True),
            ("https://api.g2a.com/v1", False),
            ("http://10.0.0.1", False),
        ],
    )
    def test_knows_loopback_addresses(self, address, here) -> None:
        assert is_on_this_machine(address) is here
