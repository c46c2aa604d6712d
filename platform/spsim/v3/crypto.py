"""The cryptography of API v3 as WeChat does it: RSA signatures, AES-GCM, RSA-OAEP (wechatpay-v3 1.2 to 1.7).

Keys come as PEM text and are parsed once.
"""

from __future__ import annotations

import base64
import binascii
import functools
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - WeChat's choice
_CACHED: Final = 256


@functools.lru_cache(maxsize=_CACHED)
def _private_key(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("not an RSA private key")
    return key


@functools.lru_cache(maxsize=_CACHED)
def _public_key(pem: str) -> rsa.RSAPublicKey | None:
    """Return the key of a certificate or public key; None when it is not RSA."""
    key: object
    if "BEGIN CERTIFICATE" in pem:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    else:
        key = serialization.load_pem_public_key(pem.encode())
    return key if isinstance(key, rsa.RSAPublicKey) else None


def sign(private_pem: str, message: bytes) -> str:
    """Sign with RSASSA-PKCS1-v1_5 and SHA-256; base64 on one line."""
    signature = _private_key(private_pem).sign(message, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()


def verifies(public_pem: str, message: bytes, signature: str) -> bool:
    """Tell whether `signature` is that of the key's owner; whatever cannot be read is not."""
    key = _public_key(public_pem)
    if key is None:
        return False
    try:
        given = base64.b64decode(signature, validate=True)
        key.verify(given, message, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def request_message(method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """Return the five lines that a request is signed over; `target` is path and query exactly as sent."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode("latin-1") + body + b"\n"


def signed_message(timestamp: str, nonce: str, body: bytes) -> bytes:
    """Return the three lines that an answer or a notification is signed over."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def encrypt(api_v3_key: str, nonce: str, associated_data: str, text: str) -> str:
    """Encrypt with AES-256-GCM under an APIv3 key: base64 of the ciphertext with its tag."""
    sealed = AESGCM(api_v3_key.encode()).encrypt(nonce.encode(), text.encode(), associated_data.encode())
    return base64.b64encode(sealed).decode()


def encrypt_file(key: str, nonce: str, content: bytes) -> bytes:
    """Encrypt a file with AES-256-GCM: the ciphertext with its tag, no associated data (wechatpay-v3 5.5)."""
    return AESGCM(key.encode()).encrypt(nonce.encode(), content, b"")


def seal(public_pem: str, text: str) -> str:
    """Encrypt a personal field for the owner of a key (RSA-OAEP, SHA-1), base64.

    Raises ValueError for more than 214 bytes of UTF-8, all that RSA-2048 takes, or when the key is not RSA.
    """
    key = _public_key(public_pem)
    if key is None:
        raise ValueError("not an RSA key")
    return base64.b64encode(key.encrypt(text.encode(), _OAEP)).decode()


def unseal(private_pem: str, sealed: str) -> str:
    """Decrypt a personal field; raises ValueError when it was not sealed for this key."""
    return _private_key(private_pem).decrypt(base64.b64decode(sealed, validate=True), _OAEP).decode()
