"""Personal fields, encrypted for one of WeChat's keys or by WeChat for ours: RSAES-OAEP with SHA-1.

Source: wechatpay-v3 1.7, where WeChat's own utilities use SHA-1 for both the digest and the mask.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

MAX_BYTES = 214
"""What a key of 2048 bits takes, in bytes of UTF-8."""

# WeChat's parameters, not our choice; OAEP does not rest on its digest's resistance to collisions.
_DIGEST = hashes.SHA1()  # noqa: S303
_PADDING = padding.OAEP(mgf=padding.MGF1(algorithm=_DIGEST), algorithm=_DIGEST, label=None)


def encrypt(public_key: RSAPublicKey, text: str) -> str:
    """`text` in base64 for the holder of the key; another cipher text every time.

    Raises ValueError for more than MAX_BYTES bytes.
    """
    plain = text.encode()
    if len(plain) > MAX_BYTES:
        raise ValueError(f"at most {MAX_BYTES} bytes can be encrypted")
    return base64.b64encode(public_key.encrypt(plain, _PADDING)).decode("ascii")


def decrypt(private_key: RSAPrivateKey, ciphertext: str) -> str | None:
    """The text inside a base64 `ciphertext`; None for one that is not for this key."""
    plain = opened(private_key, ciphertext)
    try:
        return None if plain is None else plain.decode("utf-8")
    except UnicodeDecodeError:
        return None


def opened(private_key: RSAPrivateKey, ciphertext: str) -> bytes | None:
    """The bytes inside a base64 `ciphertext`; None for one that is not for this key."""
    try:
        return private_key.decrypt(base64.b64decode(ciphertext, validate=True), _PADDING)
    except (binascii.Error, ValueError):
        return None
