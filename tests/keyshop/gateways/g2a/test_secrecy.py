import logging
import traceback
from collections.abc import Iterator

import httpx2
import pytest
import structlog

from keyshop.supplier.errors import SupplierError
from tests.factories.canned_supplier import SANDBOX, Canned, answer, canned_client
from tests.keyshop.gateways.g2a.test_client import DEEDS, QUESTIONS, call

KEY = "AAAA-BBBB-CCCC"
SECRETS = [
    SANDBOX.client_id,
    SANDBOX.email,
    SANDBOX.client_secret.reveal(),
    SANDBOX.api_key().reveal(),
    KEY,
]

FAILURES = {
    "wrong credentials": answer(
        401, {"code": "AUTH99", "message": f"Wrong header {SANDBOX.authorization().reveal()}"}
    ),
    "failed server": answer(500, {"code": "ERR99", "message": SANDBOX.email}),
    "half a key": answer(200, f'{{"key": "{KEY}", "isFi'.encode()),
    "key of no use": answer(200, {"key": "", "keys": [KEY]}),
    "reset": httpx2.ReadError(f"sent {SANDBOX.authorization().reveal()}"),
    "header": httpx2.LocalProtocolError(f"Illegal header value {SANDBOX.authorization().reveal()}"),
}


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Every logger at its most verbose level, structlog included."""
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    with caplog.at_level(logging.DEBUG):
        yield caplog
    structlog.configure(**before)


class TestSecrets:
    @pytest.mark.parametrize("name", [*DEEDS, *QUESTIONS])
    @pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
    async def test_appear_in_no_log_line_and_no_error(
        self, name, failure, everything_logged
    ) -> None:
        async with canned_client(Canned(failure)) as client:
            with pytest.raises(SupplierError) as failed:
                await call(client, name)

        shown = str(failed.value) + repr(failed.value) + everything_logged.text
        shown += "".join(traceback.format_exception(failed.value))
        assert "supplier.call_failed" in everything_logged.text
        assert [secret for secret in SECRETS if secret in shown] == []

    async def test_appear_in_no_log_line_of_a_successful_call(self, everything_logged) -> None:
        async with canned_client(Canned(answer(200, {"key": KEY}))) as client:
            await client.fetch_key("80201019921771")

        assert "supplier.call" in everything_logged.text
        assert [secret for secret in SECRETS if secret in everything_logged.text] == []
