"""A built single-page storefront: its files, and its index.html for every other path."""

import asyncio
import re
from collections.abc import Iterable
from hashlib import sha256
from mimetypes import MimeTypes
from pathlib import Path
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from msgspec import Struct

from keyshop.entrypoints.http.conditional import is_unchanged

_Headers = list[tuple[bytes, bytes]]

# Python's own list: with the machine's list, each machine would answer differently.
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

# A build puts a digest of the content into the file name, such as `index-B4xQ71_z.js`.
_DIGEST: Final = re.compile(r"[.-](?=[^.]*\d)[0-9A-Za-z_]{8,}\.[0-9A-Za-z.]+$")
_IMMUTABLE: Final = b"public, max-age=31536000, immutable"
_REVALIDATE: Final = b"no-cache"


class _File(Struct, frozen=True):
    body: bytes
    etag: bytes
    media_type: bytes
    cache_control: bytes


class StorefrontFiles:
    """Answers GET for every path outside the application's routes; passes the rest on."""

    def __init__(self, app: ASGIApp, folder: Path, own_paths: Iterable[str]) -> None:
        """
        Wrap the application.

        Args:
            app: The application.
            folder: The folder of the built storefront, which contains index.html.
            own_paths: The application's routes. A path with the same first segment as one of them
                belongs to the application.
        """
        self._app = app
        self._folder = folder.resolve()
        self._own_segments = {_first_segment(path) for path in own_paths} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not self._is_storefront_path(scope):
            await self._app(scope, receive, send)
            return
        scope["path_template"] = "storefront"
        await _send_file(scope, send, await asyncio.to_thread(self._read, scope["path"]))

    def _is_storefront_path(self, scope: HTTPScope) -> bool:
        is_own = _first_segment(scope["path"]) in self._own_segments
        return scope["method"] in {"GET", "HEAD"} and not is_own

    def _read(self, path: str) -> _File:
        return _read_file(self._find(path) or self._folder / "index.html")

    def _find(self, path: str) -> Path | None:
        """Return the file of this path, unless it is hidden or outside the folder."""
        if any(part.startswith(".") and part != ".well-known" for part in path.split("/")):
            return None
        try:
            # Resolved, so that no symbolic link leads out of the folder.
            file = (self._folder / path.lstrip("/")).resolve()
            return file if file.is_relative_to(self._folder) and file.is_file() else None
        except OSError:
            return None  # such as a file name that is too long


def _read_file(file: Path) -> _File:
    body = file.read_bytes()
    return _File(
        body=body,
        # Of the bytes: a build may keep their number, and set the time of all files to the same.
        etag=f'"{sha256(body).hexdigest()[:32]}"'.encode(),
        media_type=_media_type(file.name),
        cache_control=_IMMUTABLE if _DIGEST.search(file.name) else _REVALIDATE,
    )


def _media_type(name: str) -> bytes:
    kind, encoding = _TYPES.guess_type(name)
    if kind is None or encoding is not None:
        return b"application/octet-stream"
    is_text = kind.startswith("text/") or kind.endswith(("json", "xml"))
    return (f"{kind}; charset=utf-8" if is_text else kind).encode()


async def _send_file(scope: HTTPScope, send: Send, file: _File) -> None:
    is_known = is_unchanged(scope, file.etag)
    body = b"" if is_known or scope["method"] == "HEAD" else file.body
    headers: _Headers = [(b"etag", file.etag), (b"cache-control", file.cache_control)]
    if not is_known:
        headers.append((b"content-type", file.media_type))
        headers.append((b"content-length", str(len(file.body)).encode()))
    status = 304 if is_known else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _first_segment(path: str) -> str:
    return path.strip("/").partition("/")[0]
