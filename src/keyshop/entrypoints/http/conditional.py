"""The condition of a request: does the client have this answer already?"""

import re
from typing import Final

from litestar.types import HTTPScope

from keyshop.entrypoints.http.headers import list_headers

# RFC 9110, 8.8.3 and 13.1.2. Elements of a list may be empty. Possessive, so that the time is linear.
_TAG: Final = rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*+")'
_is_list: Final = re.compile(rb"[ \t,]*+(?:%s[ \t]*+(?:,[ \t,]*+|\Z))++" % _TAG).fullmatch
_find_tags: Final = re.compile(_TAG).findall


def is_unchanged(scope: HTTPScope, etag: bytes) -> bool:
    """
    Test whether If-None-Match names this entity tag of the answer, or `*`, any answer.

    The comparison is weak: a proxy that compresses an answer makes its tag weak. A header that is
    not well-formed is ignored.
    """
    sent = list_headers(scope, b"if-none-match")
    if not sent:
        return False
    if sent == [etag]:
        return True
    header = b",".join(sent).strip(b" \t")
    if header == b"*":
        return True
    return _is_list(header) is not None and etag in _find_tags(header)
