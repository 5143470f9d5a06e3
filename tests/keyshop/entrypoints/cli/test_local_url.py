"""The address of the shop that `keyshop up` prints and waits for."""

from urllib.parse import urlsplit

import pytest

from keyshop.entrypoints.cli.up import local_url
from keyshop.settings import Settings


class TestLocalUrl:
    @pytest.mark.parametrize(
        ("host", "url"),
        [
            ("127.0.0.1", "http://127.0.0.1:18042"),
            ("0.0.0.0", "http://127.0.0.1:18042"),
            ("shop.example", "http://shop.example:18042"),
            ("::1", "http://[::1]:18042"),
            ("::", "http://[::1]:18042"),
            ("2001:db8::7", "http://[2001:db8::7]:18042"),
            ("fe80::1%eth0", "http://[fe80::1%25eth0]:18042"),
        ],
    )
    def test_is_a_url_whatever_the_shop_listens_on(self, host, url):
        settings = Settings(keyshop_host=host, keyshop_port=18042)

        assert local_url(settings) == url
        assert urlsplit(url).port == 18042
