"""What WeChat encrypts with AES-256-GCM: notifications and platform certificates by the API v3 key, bills of
sub-merchants by a key of their own.

Source: wechatpay-v3 1.5, 5.5.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from wechatpay.credentials import ApiV3Key

ALGORITHM = "AEAD_AES_256_GCM"

KEY_BYTES = 32

_NONCE_BYTES = (8, 128)
_TAG_BYTES = 16


class Forged(ValueError):
    """What was decrypted is not what was encrypted."""


class SealedStream:
    """Decrypts a file without additional data as it comes; its last 16 bytes are the tag.

    What `take` returns is void until `finish` has returned. Raises ValueError for a nonce or a key that are
    none.
    """

    def __init__(self, key: bytes, nonce: bytes) -> None:
        if len(key) != KEY_BYTES or not _NONCE_BYTES[0] <= len(nonce) <= _NONCE_BYTES[1]:
            raise ValueError("not a key or not a nonce of AES-256-GCM")
        self._opening = Cipher(AES(key), GCM(nonce)).decryptor()
        self._held = b""

    def take(self, data: bytes) -> bytes:
        """The plain bytes that can be said by now."""
        data = self._held + data
        self._held = data[-_TAG_BYTES:]
        return self._opening.update(data[:-_TAG_BYTES])

    def finish(self) -> None:
        """Raises Forged unless every byte is as it was encrypted."""
        try:
            self._opening.finalize_with_tag(self._held)
        except (InvalidTag, ValueError):
            raise Forged("the tag does not fit") from None


def opened(key: ApiV3Key, nonce: str, associated_data: str, ciphertext: str) -> bytes | None:
    """The plain bytes of a base64 `ciphertext`; None when this key, nonce and data do not open it.

    `associated_data` may be empty: WeChat's own examples have it both ways.
    """
    sealing = nonce.encode()
    if not _NONCE_BYTES[0] <= len(sealing) <= _NONCE_BYTES[1]:
        return None
    try:
        sealed = base64.b64decode(ciphertext, validate=True)
        return AESGCM(key.secret.encode()).decrypt(sealing, sealed, associated_data.encode())
    except (InvalidTag, binascii.Error, ValueError):
        return None
