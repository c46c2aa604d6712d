"""What WeChat encrypts with the API v3 key: notifications and platform certificates.

Source: wechatpay-v3 1.5.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wechatpay.credentials import ApiV3Key

ALGORITHM = "AEAD_AES_256_GCM"

_NONCE_BYTES = (8, 128)


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
