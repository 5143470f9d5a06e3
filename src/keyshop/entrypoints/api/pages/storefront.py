"""A built single-page storefront: its files, and its index.html for every address of its own."""

import asyncio
import re
from collections.abc import Iterable
from mimetypes import MimeTypes
from pathlib import Path
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from msgspec import Struct

_Headers = list[tuple[bytes, bytes]]

# The library's own list; that of the machine would make each machine answer differently.
_TYPES: Final = MimeTypes(filenames=())
for _suffix, _type in {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}.items():
    _TYPES.add_type(_type, _suffix)

# A build writes a digest of the content into the name, as in `index-B4xQ71_z.js`.
_DIGEST: Final = re.compile(r"[.-](?=[^.]*\d)[0-9A-Za-z_]{8,}\.[0-9A-Za-z.]+$")
_FOR_EVER: Final = b"public, max-age=31536000, immutable"
_ASK_FIRST: Final = b"no-cache"


class _File(Struct, frozen=True):
    """A file as it is sent."""

    body: bytes
    etag: bytes
    media_type: bytes
    caching: bytes


class StorefrontFiles:
    """Answers GET for every address outside the shop's own; the rest goes to the application."""

    def __init__(self, app: ASGIApp, folder: Path, own_paths: Iterable[str]) -> None:
        """
        Remember what is whose.

        Args:
            app: The shop's application.
            folder: The built storefront, with its index.html.
            own_paths: The application's routes; what shares their first word is the application's.
        """
        self._app = app
        self._folder = folder.resolve()
        self._ours = {_first_word(path) for path in own_paths} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file, or pass the request on."""
        if scope["type"] != ScopeType.HTTP or not self._is_asked(scope):
            await self._app(scope, receive, send)
            return
        scope["path_template"] = "storefront"
        await _send_file(scope, send, await asyncio.to_thread(self._read, scope["path"]))

    def _is_asked(self, scope: HTTPScope) -> bool:
        return scope["method"] in {"GET", "HEAD"} and _first_word(scope["path"]) not in self._ours

    def _read(self, path: str) -> _File:
        return _read_file(self._find(path) or self._folder / "index.html")

    def _find(self, path: str) -> Path | None:
        """Return the file of this path, if the storefront has it and may show it."""
        if any(part.startswith(".") and part != ".well-known" for part in path.split("/")):
            return None
        try:
            # Resolved, so that no link leads out of the folder.
            found = (self._folder / path.lstrip("/")).resolve()
            return found if found.is_relative_to(self._folder) and found.is_file() else None
        except OSError:
            return None  # such as a name that is too long to be one


def _read_file(file: Path) -> _File:
    with file.open("rb") as opened:
        state = file.stat()
        body = opened.read()
    return _File(
        body=body,
        etag=f'"{state.st_mtime_ns:x}-{len(body):x}"'.encode(),
        media_type=_media_type(file.name),
        caching=_FOR_EVER if _DIGEST.search(file.name) else _ASK_FIRST,
    )


def _media_type(name: str) -> bytes:
    kind, encoding = _TYPES.guess_type(name)
    if kind is None or encoding is not None:
        return b"application/octet-stream"
    is_text = kind.startswith("text/") or kind.endswith(("json", "xml"))
    return (f"{kind}; charset=utf-8" if is_text else kind).encode()


async def _send_file(scope: HTTPScope, send: Send, file: _File) -> None:
    is_known = (b"if-none-match", file.etag) in scope["headers"]
    body = b"" if is_known or scope["method"] == "HEAD" else file.body
    headers: _Headers = [(b"etag", file.etag), (b"cache-control", file.caching)]
    if not is_known:
        headers.append((b"content-type", file.media_type))
        headers.append((b"content-length", str(len(file.body)).encode()))
    status = 304 if is_known else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _first_word(path: str) -> str:
    return path.strip("/").partition("/")[0]
