"""Credentials of ours: how they look, how they are made, and the hash that is all we keep of them."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from dataclasses import dataclass, field
from typing import Literal

KeyPrefix = Literal["wsk", "wpk"]
"""`wsk` is the key of one tenant's server, `wpk` a service provider's own."""

_ALPHABET = string.ascii_letters + string.digits
_RANDOM = 32
_API_KEY = re.compile(r"w(?:sk|pk)_(?:test|live)_[0-9A-Za-z]{32}")
_ROUTE_KEY = re.compile(r"[0-9A-Za-z_]{16,64}")
_SESSION = re.compile(r"wst_([0-9A-HJKMNP-TV-Z]{26})[0-9A-Za-z]{32}")


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made. `secret` is shown once; `secret_hash` and `hint` are what stays."""

    secret: str = field(repr=False)

    @property
    def secret_hash(self) -> str:
        return token_hash(self.secret)

    @property
    def hint(self) -> str:
        """Prefix and last four characters, such as `wsk_live_…9xQa`."""
        return f"{self.secret[:9]}…{self.secret[-4:]}"


def new_api_key(prefix: KeyPrefix, mode: str) -> NewApiKey:
    """Make a key of 190 random bits for a provider or tenant of `mode` (`test` or `live`)."""
    return NewApiKey(f"{prefix}_{mode}_{_random()}")


def is_api_key(text: str) -> bool:
    return _API_KEY.fullmatch(text) is not None


def new_route_key() -> str:
    """Make the opaque path part of notify addresses: 32 letters and digits, unguessable."""
    return _random()


def is_route_key(text: str) -> bool:
    return _ROUTE_KEY.fullmatch(text) is not None


def new_session_token(tenant_id: str) -> str:
    """Make a mini-program session token; it names its tenant and is worth nothing elsewhere (O08)."""
    return f"wst_{tenant_id.removeprefix('ten_')}{_random()}"


def tenant_of_session_token(text: str) -> str | None:
    """Return the id of the tenant a session token was made for, None when it is no token of ours."""
    match = _SESSION.fullmatch(text)
    return f"ten_{match[1]}" if match else None


def token_hash(token: str) -> str:
    """Return the SHA-256 in hex; tokens have 190 random bits, which no list of guesses covers."""
    return hashlib.sha256(token.encode()).hexdigest()


def _random() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
