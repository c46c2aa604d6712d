"""Answers of API v3: signed when the call was done, unsigned when it was not (wechatpay-v3 1.1, 1.3, 10)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from typing import Final

from spsim.faults import Fault
from spsim.registry import Provider
from spsim.signing import nonce, random_text
from spsim.transport import Reply
from spsim.world import World

from . import crypto, keys
from .endpoint import Document
from .failures import Failed

SIGNATURE_TYPE: Final = "WECHATPAY2-SHA256-RSA2048"
PROBE: Final = "WECHATPAY/SIGNTEST/"
_SIGNATURE_LENGTH: Final = 344
STALE_S: Final = 600
_TAILS: Final = {
    "APPID_MCHID_NOT_MATCH": 268445527,
    "FREQUENCY_LIMITED": 268447840,
    "INVALID_REQUEST": 268435464,
    "ORDER_CLOSED": 268447914,
    "ORDER_NOT_EXIST": 268512771,
    "ORDER_PAID": 268449538,
    "OUT_TRADE_NO_USED": 268498688,
    "PARAM_ERROR": 268435461,
    "SIGN_ERROR": 268443699,
}
_JSON: Final = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Signature:
    """The values of the signature headers, and by which key of WeChat they were made."""

    timestamp: str
    nonce: str
    signature: str
    serial: str

    def headers(self) -> dict[str, str]:
        """Return the five headers of an answer or notification."""
        return {
            "Wechatpay-Timestamp": self.timestamp,
            "Wechatpay-Nonce": self.nonce,
            "Wechatpay-Signature": self.signature,
            "Wechatpay-Serial": self.serial,
            "Wechatpay-Signature-Type": SIGNATURE_TYPE,
        }


def signed(key: keys.WechatKey, body: bytes, now_s: int) -> Signature:
    """Sign a body as WeChat does, with a fresh nonce."""
    timestamp, once = str(now_s), nonce()
    signature = crypto.sign(key.private_pem, crypto.signed_message(timestamp, once, body))
    return Signature(timestamp, once, signature, key.serial)


def probe_signature() -> str:
    """Return what a signature probe carries: no signature, but as long as one (1.4)."""
    return PROBE + random_text(_SIGNATURE_LENGTH - len(PROBE))


def unknown_serial() -> str:
    """Return a serial that no platform certificate has."""
    return secrets.token_hex(20).upper()


def done(
    world: World, provider: Provider, named: str | None, document: Document | None, fault: Fault | None
) -> Reply:
    """Return the signed answer of a call that was done: 200 with a document, 204 without.

    `named` is the request's own `Wechatpay-Serial`. Raises LookupError when WeChat has no key to sign with.
    """
    body = b"" if document is None else write(document)
    key = keys.for_answer(world, provider, named)
    now_s = keys.now_ms(world, provider.mch_id) // 1000
    kind = "" if fault is None else fault.kind
    if fault is not None and kind == "stale_timestamp":
        now_s -= fault.number("seconds", STALE_S)
    signature = signed(key, body, now_s)
    if kind == "wrong_answer_signature":
        signature = replace(signature, signature=signed(key, body + b" ", now_s).signature)
    if kind == "signature_probe":
        signature = replace(signature, signature=probe_signature())
    if kind == "unknown_serial":
        signature = replace(signature, serial=unknown_serial())
    headers = {} if kind == "missing_answer_signature" else signature.headers()
    return Reply(body, 200 if document is not None else 204, _JSON, _request_id("OK") | headers)


def failed(failure: Failed, *, traced: bool = True) -> Reply:
    """Return the unsigned answer of a call that was not done; only a `traced` one has a Request-ID."""
    headers = _request_id(failure.code) if traced else {}
    return Reply(write(failure.document()), failure.status, _JSON, headers)


def empty(status: int) -> Reply:
    """Return the bare answer to a path or method that does not exist."""
    return Reply(b"", status, "text/plain")


def write(document: Document) -> bytes:
    """Write JSON as the gateway does: no spaces, characters as they are."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _request_id(code: str) -> dict[str, str]:
    """Return the header by which WeChat's support finds a call; it ends in a number for the error (1.9)."""
    return {"Request-ID": f"08{secrets.token_hex(18).upper()}-{_TAILS.get(code, 0)}"}
