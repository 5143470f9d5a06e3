"""Decisions about keys, without any I/O."""

from typing import Final

from keyshop.keys.errors import BadKeyText

MAX_TEXT: Final = 2000
"""Bytes of a key's text in UTF-8; the unique index of `game_keys` refuses more."""

_REFERENCE: Final = "sealed:"


def clean_text(text: str) -> str:
    """
    Return the text of a key without the white space around it.

    Raises:
        BadKeyText: it is empty, too long, or cannot be stored.
    """
    text = text.strip()
    if not text:
        raise BadKeyText("A key has no text.")
    if "\0" in text or not _is_utf8(text):
        raise BadKeyText("A key has a character that cannot be stored.")
    if is_too_long(text):
        raise BadKeyText(f"A key is longer than {MAX_TEXT} bytes.")
    if is_reference(text):
        raise BadKeyText(f"A key begins with {_REFERENCE}, as references to the vault do.")
    return text


def is_too_long(text: str) -> bool:
    """Test whether the text does not fit into `game_keys`."""
    return len(text.encode(errors="surrogatepass")) > MAX_TEXT


def make_reference(vault_key_id: str) -> str:
    """Return what `game_keys.key` holds instead of a sealed text."""
    return f"{_REFERENCE}{vault_key_id}"


def is_reference(text: str) -> bool:
    """Test whether `game_keys.key` holds a reference to the vault; it is never shown as a key."""
    return text.startswith(_REFERENCE)


def seal_context(vault_key_id: str, sealed_game_id: str) -> bytes:
    """Return the context in which a key is sealed: of its row, and of its game at that time."""
    # No id contains a NUL: PostgreSQL refuses it.
    return f"{vault_key_id}\0{sealed_game_id}".encode()


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
