"""Whether a signature is right under any key of the account. Only public keys are used: nothing is signed.

One text costs some thousand checks at most, of some thirty microseconds each.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from wechatpay.inspect.recipe import Step

MAX_CHECKS = 6_000
_RSA_2048_BYTES = 256
_HEX = re.compile(r"[0-9A-Fa-f]{512}")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it was meant; `steps` say how its text departs from plain base64."""

    value: bytes = field(repr=False)
    steps: tuple[Step, ...]


def signature_of(text: str, name: str) -> Signature | Step:
    """Return what a text stands for, or why it stands for no signature."""
    bare = text.strip()
    readings = (
        (bare, ()),
        ("".join(bare.split()), (Step("signature_line_ends", name),)),
        (bare.replace(" ", "+"), (Step("signature_plus", name),)),
        (unquote(bare), (Step("signature_url_encoded", name),)),
        (bare.replace("-", "+").replace("_", "/"), (Step("signature_url_safe", name),)),
    )
    for reading, steps in readings:
        value = _decoded(reading)
        if value is not None and len(value) == _RSA_2048_BYTES:
            return Signature(value, steps)
    if _HEX.fullmatch(bare):
        return Signature(bytes.fromhex(bare), (Step("signature_hex", name),))
    if (inner := _decoded(bare)) is not None:
        twice = _decoded(inner.decode("latin-1"))
        if twice is not None and len(twice) == _RSA_2048_BYTES:
            return Signature(twice, (Step("signature_twice", name),))
        return Step("signature_length", name)
    return Step("signature_not_base64", name)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


@dataclass(slots=True)
class Checker:
    """Looks for a key, by serial number, under which `signature` is right."""

    signature: bytes = field(repr=False)
    keys: Sequence[tuple[str, RSAPublicKey]]
    checks: int = 0

    def key_of(self, message: bytes) -> str | None:
        """Return the serial number of the key, None when there is none or enough was tried."""
        return self._under(message, padding.PKCS1v15(), hashes.SHA256())

    def other_algorithm(self, message: bytes) -> str | None:
        """The same for algorithms that are taken by mistake: SHA-1, SHA-512, MD5, or PSS."""
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
        weak: Iterable[hashes.HashAlgorithm] = (hashes.SHA1(), hashes.SHA512(), hashes.MD5())  # noqa: S303
        for digest in weak:
            if (found := self._under(message, padding.PKCS1v15(), digest)) is not None:
                return found
        return self._under(message, pss, hashes.SHA256())

    def _under(
        self, message: bytes, scheme: padding.AsymmetricPadding, digest: hashes.HashAlgorithm
    ) -> str | None:
        for serial, key in self.keys:
            self.checks += 1
            if self.checks > MAX_CHECKS:
                return None
            try:
                key.verify(self.signature, message, scheme, digest)
            except (InvalidSignature, ValueError):
                continue
            return serial
        return None
