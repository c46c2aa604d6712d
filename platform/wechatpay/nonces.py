"""Random texts that go into a message so that no two are alike."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 32
_NONCES = len(_ALPHABET) ** _LENGTH


def nonce() -> str:
    """32 random letters and digits from the system's secure source; new for every message."""
    number = secrets.randbelow(_NONCES)  # one number has all 32, so that the source is asked once
    characters = []
    for _ in range(_LENGTH):
        number, at = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[at])
    return "".join(characters)
