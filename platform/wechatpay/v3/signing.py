"""Signatures of API v3: RSASSA-PKCS1-v1_5 with SHA-256, base64 in one line.

Source: wechatpay-v3 1.2 (requests), 1.3 (answers and notifications).
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

_MAX_SIGNATURE = 1024
_PADDING = padding.PKCS1v15()
_DIGEST = hashes.SHA256()


def sign(private_key: RSAPrivateKey, message: bytes) -> str:
    """The signature of `message` in base64; the same for the same key and message."""
    return base64.b64encode(private_key.sign(message, _PADDING, _DIGEST)).decode("ascii")


def verify(public_key: RSAPublicKey, message: bytes, signature: str) -> bool:
    """Whether `signature` is right; foreign text of any kind gives False and never an error."""
    if len(signature) > _MAX_SIGNATURE:
        return False
    try:
        public_key.verify(base64.b64decode(signature, validate=True), message, _PADDING, _DIGEST)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def request_message(method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """What a request is signed over; `target` is path and query exactly as sent."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def signed_message(timestamp: str, nonce: str, body: bytes) -> bytes:
    """What WeChat signs an answer or a notification over; `body` exactly as it came, possibly empty."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def cashier_message(*lines: str) -> bytes:
    """What opens the cashier is signed over: each line ended, the last one too (wechatpay-v3 2.4)."""
    return "".join(f"{line}\n" for line in lines).encode()
