"""A real browser without a window, driven through Chromium's own protocol."""

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from shutil import which
from typing import Any

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")

_TIMEOUT = 30.0  # seconds; the machine may be busy
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-extensions", "--remote-debugging-pipe"),
)


class Page:
    """One tab. Its methods block: call them in a thread where the test's loop runs the server."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._numbers = count(1)
        self._session: str | None = None
        self._rest = b""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def open(self, url: str) -> None:
        """Go to the address."""
        self._call("Page.navigate", url=url)

    def click(self, text: str) -> None:
        """Click the button or link with exactly this text."""
        self._until(
            "(() => { const it = [...document.querySelectorAll('a, button')]"
            f".find(each => each.textContent.trim() === {json.dumps(text)});"
            " if (it) it.click(); return Boolean(it); })()"
        )

    def wait_for(self, text: str) -> None:
        """Wait until the page shows the text."""
        self._until(f"Boolean(document.body?.innerText.includes({json.dumps(text)}))")

    def path(self) -> str:
        """Return the path of the page's address."""
        return str(self._evaluate("location.pathname"))

    def _until(self, expression: str) -> None:
        ends_at = time.monotonic() + _TIMEOUT
        while self._evaluate(expression) is not True:
            if time.monotonic() > ends_at:
                raise TimeoutError(self._evaluate("document.body?.innerText"))
            time.sleep(0.02)

    def _evaluate(self, expression: str) -> Any:
        try:
            answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        except RuntimeError:
            return None  # the page is being replaced by the next one
        return answer["result"].get("value")

    def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._next_message())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                return answer["result"]

    def _next_message(self) -> bytes:
        while b"\0" not in self._rest:
            read = os.read(self._reading, 65536)
            if not read:
                raise ConnectionError("Chromium has ended.")
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return message


@contextmanager
def open_page(profile: Path) -> Iterator[Page]:
    """Run a browser with an empty profile in this folder."""
    assert CHROMIUM is not None
    their_reading, our_writing = os.pipe()
    our_reading, their_writing = os.pipe()
    command = shlex.join([CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"])
    browser = subprocess.Popen(
        # Chromium reads from descriptor 3 and writes to descriptor 4.
        ["bash", "-c", f"exec {command} 3<&{their_reading} 4>&{their_writing}"],
        pass_fds=(their_reading, their_writing),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(their_reading)
    os.close(their_writing)
    try:
        yield Page(our_reading, our_writing)
    finally:
        os.close(our_writing)
        os.close(our_reading)
        browser.terminate()
        browser.wait(timeout=10)
