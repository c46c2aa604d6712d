"""Notifications of API v3 as they go out: sealed and signed anew for every delivery (wechatpay-v3 1.4, 3).

What one says comes from :mod:`spsim.v3.notices`. Here it gets its envelope and its signature, and whatever a
fault spoils about them (catalogue N09, N10).
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from dataclasses import dataclass, replace
from typing import Final

from spsim import api_keys
from spsim.clock import rfc3339
from spsim.faults import Fault
from spsim.registry import Provider, another_provider, find_provider
from spsim.signing import nonce, random_text
from spsim.world import World

from . import crypto, keys, notices
from .answers import PROBE, STALE_S, Signature, probe_signature, signed, unknown_serial, write
from .notices import Notice

Headers = dict[str, str]
_IDS: Final = uuid.UUID("6f1c1f2e-9f5f-4f0e-8a57-7f3a3b0f6d11")
_SEAL_NONCE: Final = 12


@dataclass(frozen=True, slots=True)
class Sealed:
    """One notification ready to go: where, its bytes, its headers."""

    url: str
    body: bytes
    headers: Headers


def seal(
    world: World, row: sqlite3.Row, fault: Fault | None = None, changes: dict[str, str] | None = None
) -> Sealed:
    """Seal and sign a queued notification: its id stays, everything else is of this moment.

    `changes` replaces or adds fields of the content before; a fault may do the same, or spoil envelope and
    signature. Raises LookupError when there is nothing to tell, or no key to seal or sign with.
    """
    notice = notices.changed(notices.of(world, row), changes or {})
    if fault is not None:
        notice = notices.spoiled(world, row, notice, fault)
    provider = find_provider(world.ledger, notice.mch_id)
    key = api_keys.for_notification(world.ledger, notice.mch_id, api_keys.V3, row["created_at"])
    if provider is None or key is None:
        raise LookupError(f"provider {notice.mch_id} has no APIv3 key: nothing is sent")
    envelope = _envelope(_id_of(row, notice), row["created_at"], notice, _resource(notice, key, fault))
    body = write(envelope)
    signature = _signature(world, provider, body, fault)
    if fault is None:
        return Sealed(notice.url, body, signature.headers())
    if fault.kind == "reserialised":
        body = json.dumps(envelope, ensure_ascii=False).encode()
    return Sealed(notice.url, body, _left_out(signature.headers(), fault))


def forged(world: World, provider: Provider, url: str) -> Sealed:
    """Return what anybody can post: it looks like a notification, and its serial is nobody's."""
    now = keys.now_ms(world, provider.mch_id)
    content: notices.Content = {"out_trade_no": random_text(20)}
    notice = Notice(provider.mch_id, url, "TRANSACTION.SUCCESS", "transaction", "支付成功", content)
    body = write(_envelope(str(uuid.uuid4()), now, notice, _resource(notice, random_text(32), None)))
    signature = Signature(str(now // 1000), nonce(), random_text(342) + "==", unknown_serial())
    return Sealed(url, body, signature.headers())


def echo(world: World, mch_id: str, notify_url: str, message: str, sealed_message: str | None) -> None:
    """Queue the notification that a security echo asked for (wechatpay-v3 1.11)."""
    with world.ledger.transaction():
        echo_id = world.ledger.insert(
            "INSERT INTO security_echo (mch_id, notify_url, message, sealed_message) VALUES (?, ?, ?, ?)",
            mch_id,
            notify_url,
            message,
            sealed_message,
        )
        sql = "INSERT INTO notification (echo_id, created_at) VALUES (?, ?)"
        world.ledger.run(sql, echo_id, world.clock.now_ms())


def _id_of(row: sqlite3.Row, notice: Notice) -> str:
    """Return the notification's own id: the same for every delivery, another for every event and ledger."""
    about = notice.mch_id, row["id"], row["created_at"], row["transaction_id"]
    return str(uuid.uuid5(_IDS, "/".join(map(str, about))))


def _envelope(known_as: str, created_at: int, notice: Notice, resource: dict[str, str]) -> dict[str, object]:
    return {
        "id": known_as,
        "create_time": rfc3339(created_at),
        "resource_type": "encrypt-resource",
        "event_type": notice.event_type,
        "summary": notice.summary,
        "resource": resource,
    }


def _resource(notice: Notice, key: str, fault: Fault | None) -> dict[str, str]:
    kind = "" if fault is None else fault.kind
    associated = "" if kind == "empty_associated_data" else notice.original_type
    once = random_text(_SEAL_NONCE)
    used = key[::-1] if kind == "other_v3_key" else key
    resource = {
        "original_type": notice.original_type,
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": crypto.encrypt(used, once, associated, write(notice.content).decode()),
        "associated_data": associated,
        "nonce": once,
    }
    if fault is not None and kind == "empty_associated_data" and fault.flag("absent"):
        del resource["associated_data"]
    return resource


def _signature(world: World, provider: Provider, body: bytes, fault: Fault | None) -> Signature:
    """Sign with the key of this moment, or as the fault would have it."""
    now_s = keys.now_ms(world, provider.mch_id) // 1000
    if fault is None:
        return signed(keys.for_notification(world, provider), body, now_s)
    if fault.kind == "stale_timestamp":
        now_s -= fault.number("seconds", STALE_S)
    signer = provider
    if fault.kind == "other_provider_key":
        signer = another_provider(world.ledger, provider, fault.text("mch_id", ""))
    key = keys.for_notification(world, signer)
    made = signed(key, body, now_s)
    match fault.kind:
        case "wrong_signature":
            return replace(made, signature=signed(key, body + b" ", now_s).signature)
        case "signature_probe":
            text = fault.text("text", "")
            return replace(made, signature=PROBE + text if text else probe_signature())
        case "unknown_serial":
            return replace(made, serial=fault.text("serial", unknown_serial()))
        case _:
            return made


def _left_out(headers: Headers, fault: Fault) -> Headers:
    """Return the headers without the one that the fault keeps back."""
    unwanted = ""
    if fault.kind == "missing_signature":
        unwanted = "wechatpay-signature"
    if fault.kind == "missing_header":
        unwanted = fault.text("name", "Wechatpay-Signature").lower()
    return {name: value for name, value in headers.items() if name.lower() != unwanted}
