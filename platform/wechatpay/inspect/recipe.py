"""How somebody may have made a signature: what was put together, and what was made of it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from wechatpay.credentials import SignType, V2Key

Order = Literal["ascii", "as_sent", "ignoring_case"]


@dataclass(frozen=True, slots=True)
class Step:
    """One departure from the rules. `code` is a key of `words.WORDS`, `field` the one it concerns."""

    code: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """The string to sign, without the key. The defaults are WeChat's rules (wechatpay-v2 1.3)."""

    fields: tuple[tuple[str, str], ...]
    order: Order = "ascii"
    with_empty: bool = False
    encoding: str = "utf-8"
    head: str = ""
    tail: str = ""

    def parts(self) -> Sequence[tuple[str, str]]:
        """Return the fields that were signed, in the order in which they were."""
        kept = [(name, value) for name, value in self.fields if value or self.with_empty]
        if self.order == "ascii":
            kept.sort()
        elif self.order == "ignoring_case":
            kept.sort(key=lambda pair: pair[0].lower())
        return kept

    def message(self) -> bytes:
        joined = "&".join(f"{name}={value}" for name, value in self.parts())
        return f"{self.head}{joined}{self.tail}".encode(self.encoding, errors="replace")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one provider: `signing` is the right one; `old` and `v3` are what is taken by mistake."""

    signing: V2Key
    old: tuple[V2Key, ...] = ()
    v3: tuple[V2Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Maker:
    """One way from the string to a digest in upper-case hex; `steps` are its departures from the rules."""

    steps: tuple[Step, ...]
    digest: Callable[[bytes], str] = field(repr=False)
    key_version: int | None
    algorithm: str


def makers(keys: Keys, expected: SignType) -> Iterator[Maker]:
    """Yield the ways to make a signature, the right one first, those with one departure after it."""
    other = SignType.MD5 if expected is SignType.HMAC_SHA256 else SignType.HMAC_SHA256
    algorithms = ((expected, ()), (other, (Step("algorithm"),)))
    for kind, versions in (("", (keys.signing,)), ("key_old", keys.old), ("key_v3", keys.v3)):
        for key in versions:
            taken = (Step(kind),) if kind else ()
            for algorithm, wrong in algorithms:
                yield _plain(key, key.secret, algorithm, (*taken, *wrong))
    for algorithm, wrong in algorithms:
        for code, secret in _misspelt(keys.signing.secret):
            yield _plain(keys.signing, secret, algorithm, (Step(code), *wrong))
    yield from _misjoined(keys.signing, expected)


def _plain(key: V2Key, secret: str, algorithm: SignType, steps: tuple[Step, ...]) -> Maker:
    made = partial(_joined, tail=f"&key={secret}".encode(), secret=secret.encode(), algorithm=algorithm.value)
    return Maker(steps, made, key.version, algorithm.value)


def _misspelt(secret: str) -> Iterator[tuple[str, str]]:
    if secret.lower() != secret:
        yield "key_lower_case", secret.lower()
    if secret.upper() != secret:
        yield "key_upper_case", secret.upper()
    for blank in ("\n", "\r\n", " ", "\t"):
        yield "key_with_blank", secret + blank
        yield "key_with_blank", blank + secret


def _misjoined(key: V2Key, expected: SignType) -> Iterator[Maker]:
    secret = key.secret
    for algorithm in (expected.value, *({"MD5", "HMAC-SHA256"} - {expected.value})):
        wrong = () if algorithm == expected.value else (Step("algorithm"),)
        no_key = "hmac_without_key_field" if algorithm == SignType.HMAC_SHA256.value else "key_missing"
        for code, tail in (
            ("key_without_name", secret),
            ("key_without_name", f"&{secret}"),
            ("key_joined", f"key={secret}"),
            ("key_joined", f"&key={secret}&"),
            ("key_joined", f"&KEY={secret}"),
            ("key_joined", f"&apikey={secret}"),
            (no_key, ""),
        ):
            made = partial(_joined, tail=tail.encode(), secret=secret.encode(), algorithm=algorithm)
            used = None if code == "key_missing" else key.version
            yield Maker((Step(code), *wrong), made, used, algorithm)
    for algorithm in ("SHA-256", "SHA-1"):
        made = partial(_joined, tail=f"&key={secret}".encode(), secret=b"", algorithm=algorithm)
        yield Maker((Step("plain_hash"),), made, key.version, algorithm)


def _joined(message: bytes, *, tail: bytes, secret: bytes, algorithm: str) -> str:
    whole = message + tail
    match algorithm:
        case "HMAC-SHA256":
            return hmac.new(secret, whole, hashlib.sha256).hexdigest().upper()
        case "SHA-256":
            return hashlib.sha256(whole).hexdigest().upper()
        case "SHA-1":
            return hashlib.sha1(whole, usedforsecurity=False).hexdigest().upper()
        case _:
            return hashlib.md5(whole, usedforsecurity=False).hexdigest().upper()
