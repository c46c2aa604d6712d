"""Envelope encryption of stored secrets (rule C5).

Every record has its own data key, wrapped by a master key that is not in the database. Both layers are
AES-256-GCM with random 96-bit nonces (failure catalogue K10) and bound to the record's place, so that a
ciphertext pasted into another row does not open (A08).

Layout, version 1: `01 | master key id 8 | nonce 12 | wrapped data key 48 | nonce 12 | ciphertext and tag`.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = 1
_KEY, _NONCE, _TAG, _KEY_ID = 32, 12, 16, 8
_WRAPPED = _KEY + _TAG
_SHORTEST = 1 + _KEY_ID + _NONCE + _WRAPPED + _NONCE + _TAG


@dataclass(frozen=True, slots=True)
class SealContext:
    """The place a secret belongs to; opening it anywhere else fails.

    `kind` tells secrets of one owner apart, such as `api_v2_key` or `app_secret:bnd_…`; `version` counts
    from 1 within it.
    """

    provider_id: str
    tenant_id: str | None
    kind: str
    version: int

    def bound(self, layer: Literal["key", "data"]) -> bytes:
        """Return the associated data of one layer; JSON keeps neighbouring fields apart."""
        place = ["wxsp-vault", _VERSION, layer, self.provider_id, self.tenant_id, self.kind, self.version]
        return json.dumps(place, ensure_ascii=True, separators=(",", ":")).encode("ascii")


class VaultError(Exception):
    """A sealed record does not open. There is no fallback to plain text (failure catalogue K08).

    `reason` is `malformed`, `unknown_master_key`, or `does_not_open` (damaged, or of another place).
    """

    def __init__(self, reason: Literal["malformed", "unknown_master_key", "does_not_open"]) -> None:
        super().__init__(f"a sealed secret cannot be opened: {reason}")
        self.reason = reason


class _Parts(NamedTuple):
    key_id: bytes
    wrap_nonce: bytes
    wrapped: bytes
    body: bytes


class Vault:
    """Seals and opens secrets. The first master key wraps, all of them open (failure catalogue K09).

    Raises ValueError for no master key, or one that is not 32 bytes.
    """

    __slots__ = ("_first", "_master")

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        if not master_keys or any(len(key) != _KEY for key in master_keys):
            raise ValueError("the vault needs one or more master keys of 32 bytes")
        self._master = {_key_id(key): AESGCM(key) for key in master_keys}
        self._first = _key_id(master_keys[0])

    def __repr__(self) -> str:
        return f"Vault({len(self._master)} master keys)"

    def seal(self, plain: bytes, context: SealContext) -> bytes:
        data_key, nonce = secrets.token_bytes(_KEY), secrets.token_bytes(_NONCE)
        body = nonce + AESGCM(data_key).encrypt(nonce, plain, context.bound("data"))
        return self._wrap(data_key, context) + body

    def open(self, sealed: bytes, context: SealContext) -> bytes:
        """Return the secret. Raises VaultError."""
        parts = _parts(sealed)
        data_key = self._unwrap(parts, context)
        return _decrypt(AESGCM(data_key), parts.body[:_NONCE], parts.body[_NONCE:], context.bound("data"))

    def needs_rewrap(self, sealed: bytes) -> bool:
        """Say whether another master key than the first wraps this record. Raises VaultError."""
        return _parts(sealed).key_id != self._first

    def rewrap(self, sealed: bytes, context: SealContext) -> bytes:
        """Return the same record under the first master key; its own data key and ciphertext stay.

        Raises VaultError.
        """
        parts = _parts(sealed)
        return self._wrap(self._unwrap(parts, context), context) + parts.body

    def _wrap(self, data_key: bytes, context: SealContext) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        wrapped = self._master[self._first].encrypt(nonce, data_key, context.bound("key"))
        return bytes([_VERSION]) + self._first + nonce + wrapped

    def _unwrap(self, parts: _Parts, context: SealContext) -> bytes:
        master = self._master.get(parts.key_id)
        if master is None:
            raise VaultError("unknown_master_key")
        return _decrypt(master, parts.wrap_nonce, parts.wrapped, context.bound("key"))


def _key_id(master_key: bytes) -> bytes:
    return hashlib.sha256(b"wxsp-vault master key id" + master_key).digest()[:_KEY_ID]


def _parts(sealed: bytes) -> _Parts:
    if len(sealed) < _SHORTEST or sealed[0] != _VERSION:
        raise VaultError("malformed")
    wrap_nonce_at = 1 + _KEY_ID
    wrapped_at = wrap_nonce_at + _NONCE
    body_at = wrapped_at + _WRAPPED
    return _Parts(
        key_id=sealed[1:wrap_nonce_at],
        wrap_nonce=sealed[wrap_nonce_at:wrapped_at],
        wrapped=sealed[wrapped_at:body_at],
        body=sealed[body_at:],
    )


def _decrypt(cipher: AESGCM, nonce: bytes, ciphertext: bytes, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, ciphertext, bound)
    except InvalidTag:
        raise VaultError("does_not_open") from None
