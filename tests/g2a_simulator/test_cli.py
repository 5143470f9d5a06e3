"""The command, as a process of its own."""

import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.factories.simulator_buyer import AUTHORIZATION, CERTIFICATES, FIRST

COMMAND = [str(Path(sys.executable).with_name("g2a-simulator")), "--port", "0"]


@contextmanager
def simulator(*options):
    """Start the command, and yield its process and a client."""
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split(" at ")[1].split()[0]
            headers = {"Authorization": AUTHORIZATION}
            with httpx2.Client(base_url=url, headers=headers, verify=CERTIFICATES) as http:
                yield process, http
        finally:
            process.kill()


class TestCommand:
    def test_keeps_what_was_bought_through_a_kill(self, tmp_path):
        options = ("--products", "50", "--state", str(tmp_path / "market.state"))
        with simulator(*options) as (process, http):
            http.patch(f"/_simulator/products/{FIRST}", json={"qty": 5, "minPrice": 3})
            http.patch("/_simulator/settings", json={"processing_seconds": 0})
            order_id = http.post("/v1/order", json={"product_id": FIRST}).json()["order_id"]
            http.put(f"/v1/order/pay/{order_id}")
            key = http.get(f"/v1/order/key/{order_id}").json()["key"]
            process.send_signal(signal.SIGKILL)
            process.wait()

        with simulator(*options) as (_, http):
            http.patch("/_simulator/settings", json={"processing_seconds": 0})
            details = http.get(f"/v1/order/details/{order_id}").json()
            order = http.get(f"/_simulator/orders/{order_id}").json()
            second = http.get(f"/v1/order/key/{order_id}").json()
            product = http.get(f"/_simulator/products/{FIRST}").json()
            wallet = http.get("/_simulator/wallet").json()

        assert details["status"] == "complete"
        assert order["key"] == key
        assert second["code"] == "ORD04"
        assert (product["qty"], product["minPrice"]) == (4, 3)
        assert wallet["balance"] == 9997

    @pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
    def test_stops_at_once_and_cleanly(self, which):
        with simulator("--products", "20") as (process, http):
            assert http.get("/v1/products").status_code == 200
            process.send_signal(which)

            assert process.wait(timeout=2) == 0

    def test_uses_its_options(self):
        options = ("--products", "60", "--mode", "sandbox", "--page-ceiling", "2")
        with simulator(*options, "--requests-per-minute", "3") as (_, http):
            pages = [http.get("/v1/products", params={"page": page}) for page in (1, 3, 2, 2)]

        assert [page.status_code for page in pages] == [200, 400, 200, 429]
        assert pages[0].json()["total"] == 60
        assert pages[0].json()["docs"][0]["region"] == ""

    def test_names_the_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            done = subprocess.run(
                [COMMAND[0], "--port", port], capture_output=True, text=True, check=False
            )

        assert done.returncode == 1
        assert done.stderr == f"Port {port} is in use; choose another one with --port.\n"

    def test_stops_when_its_parent_ends(self):
        # A shell starts the simulator and is killed, as `keyshop up` may be.
        script = f'"{COMMAND[0]}" --port 0 --products 20 --exit-with $$ & wait'
        with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as shell:
            assert shell.stdout is not None
            port = int(shell.stdout.readline().split("127.0.0.1:")[1].split()[0])
            shell.kill()

            # The simulator inherited the output, which ends when the simulator ends.
            assert shell.stdout.read() == ""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)

    def test_serves_a_million_products_in_seconds_with_little_memory(self):
        with simulator("--products", "1000000", "--page-ceiling", "0") as (process, http):
            last = http.get("/v1/products", params={"page": 50000, "includeOutOfStock": "true"})
            status = Path(f"/proc/{process.pid}/status").read_text()

        assert last.json()["total"] == 1_000_000
        assert len(last.json()["docs"]) == 20
        peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
        assert peak < 250, f"{peak} MB"
