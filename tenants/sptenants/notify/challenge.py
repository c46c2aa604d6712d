"""A message that the doctor sends to our own notify address, and the answer that only we can give.

It is sealed by the vault to the address it is sent to, so that nobody else can make one or use one elsewhere.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass

from spcore.vault import SealContext, Vault, VaultError
from wechatpay.v2 import notify as v2

KIND = "probe"
_BODY = re.compile(rb"<xml><challenge>([0-9A-Za-z+/=]{16,512})</challenge></xml>")


@dataclass(frozen=True, slots=True)
class Challenge:
    """The body to send, and what the answer must hold."""

    body: bytes
    expected: bytes


class Challenges:
    """Makes and meets challenges; every process of an installation has the same vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def issue(self, route_key: str) -> Challenge:
        word = secrets.token_bytes(16)
        sealed = self._vault.seal(word, _context(route_key))
        return Challenge(
            b"<xml><challenge>" + b64encode(sealed) + b"</challenge></xml>", _digest(word).encode()
        )

    def answer(self, route_key: str, body: bytes) -> bytes | None:
        """Return the answer to a challenge of ours; None for anything else.

        It says FAIL, for it is no notification: to WeChat this address has promised nothing.
        """
        found = _BODY.fullmatch(body)
        if found is None:
            return None
        try:
            word = self._vault.open(b64decode(found[1], validate=True), _context(route_key))
        except (VaultError, ValueError):
            return None
        return v2.nack(_digest(word))


def _context(route_key: str) -> SealContext:
    return SealContext("notify", None, f"challenge:{route_key}", 1)


def _digest(word: bytes) -> str:
    return hashlib.sha256(word).hexdigest()[:32]
