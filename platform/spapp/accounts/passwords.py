"""Passwords: what is strong enough, and how they are kept (failure catalogue S06)."""

from __future__ import annotations

import re

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from spcore.errors import Text

MIN_LENGTH = 12
MAX_LENGTH = 1024

# OWASP's lower recommended setting for argon2id. Twice the rounds of memory would let two sign-ins at once
# push a web process over its 160 MB.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

_COMMON_STEMS = ("password", "passw0rd", "qwertyuiop", "letmein", "iloveyou", "welcome", "admin", "woaini")
_RUNS = "01234567890123456789 abcdefghijklmnopqrstuvwxyz qwertyuiopasdfghjklzxcvbnm"

TOO_SHORT = Text(f"密码至少 {MIN_LENGTH} 个字符。", f"The password needs at least {MIN_LENGTH} characters.")
TOO_LONG = Text(f"密码不能超过 {MAX_LENGTH} 个字符。", f"At most {MAX_LENGTH} characters are allowed.")
TOO_COMMON = Text(
    "密码太常见或太有规律，请换一个不易猜到的。",
    "The password is common or follows a pattern; choose one that is hard to guess.",
)


def weakness(password: str) -> Text | None:
    """Say why `password` must not be used, or None when it may."""
    if len(password) < MIN_LENGTH:
        return TOO_SHORT
    if len(password) > MAX_LENGTH:
        return TOO_LONG
    return TOO_COMMON if _is_guessable(password.casefold()) else None


def _is_guessable(folded: str) -> bool:
    """Whether the lists that leak from other sites would hold it: few characters, runs, famous words."""
    if len(set(folded)) < 5:
        return True
    letters = re.sub(r"[^a-z0-9]", "", folded)
    if letters and (letters in _RUNS or letters[::-1] in _RUNS):
        return True
    rest = folded
    for stem in _COMMON_STEMS:
        rest = rest.replace(stem, "")
    return len(re.sub(r"[0-9!@#$%^&*._-]", "", rest)) < 3 and rest != folded


def hash_password(password: str) -> str:
    """Return the argon2id hash to store. Takes some 20 ms and 19 MiB."""
    return _HASHER.hash(password)


def verify_password(stored: str, password: str) -> bool:
    """Say whether `password` is the one that `stored` was made of; a damaged hash fits none."""
    try:
        return _HASHER.verify(stored, password[: MAX_LENGTH + 1])
    except (VerificationError, InvalidHashError):
        return False
