"""Refund notification bodies: not signed, but encrypted (wechatpay-v2 5.3, vector R1; catalogue N11)."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from . import refund_books
from .clock import wire_date_time
from .faults import Fault
from .messages import other_sub_merchant
from .refund_books import RECEIVER, Refund
from .signing import nonce
from .trades import Trade
from .wire import write_xml
from .world import World

_BLOCK: Final = 16
_ECHOED: Final = ("appid", "mch_id", "sub_appid", "sub_mch_id")


def refund_body(
    world: World,
    refund: Refund,
    status: str,
    key: str,
    fault: Fault | None,
    changes: dict[str, str] | None = None,
) -> bytes:
    """Return the notification that a refund ended as `status`, encrypted under an API v2 key.

    `changes` replaces, adds or (with "") empties fields before they are encrypted; a fault may do the same,
    or spoil the envelope.
    """
    trade = refund_books.trade_of(world, refund)
    fields = _fields(world, refund, status) | (changes or {})
    kind = "" if fault is None else fault.kind
    if fault is not None:
        fields |= _spoiled_content(refund, fault)
    used = key[::-1] if kind == "wrong_signature" else key
    sealed = seal(_plain(fields), used)
    if kind == "spliced":
        sealed = _spliced(world, refund, sealed, used)
    outer = _outer(world, trade, fault) | {"req_info": base64.b64encode(sealed).decode()}
    if kind == "missing_signature":
        del outer["req_info"]
    return write_xml(outer)


def seal(plain: bytes, key: str) -> bytes:
    """Encrypt as WeChat does: AES-256-ECB, PKCS#7, under the lower-case hex MD5 of the API key.

    ECB has no integrity: whole blocks can be exchanged between messages. That is the protocol's weakness,
    kept so that receivers can be tried with it.
    """
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    padder = PKCS7(_BLOCK * 8).padder()
    encryptor = Cipher(algorithms.AES(digest.encode()), modes.ECB()).encryptor()  # noqa: S305 - the protocol's
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def _outer(world: World, trade: Trade, fault: Fault | None) -> dict[str, str]:
    fields = {"return_code": "SUCCESS"} | {name: trade.get(name) for name in _ECHOED if trade.get(name)}
    if fault is not None and fault.kind == "other_tenant":
        fields["sub_mch_id"] = other_sub_merchant(world, trade, fault)
    return fields | {"nonce_str": nonce()}


def _fields(world: World, refund: Refund, status: str) -> dict[str, str]:
    """Return what is told about a refund, complete and in the order of vector R1."""
    payment = refund_books.payment_of(world, refund)
    amount, total = str(refund.refund_fee), str(payment.total_fee)
    arrived = {}
    if status == "SUCCESS" and refund.settled_at is not None:
        arrived["success_time"] = wire_date_time(refund.settled_at)
    return {
        "out_refund_no": refund.out_refund_no,
        "out_trade_no": refund_books.trade_of(world, refund).out_trade_no,
        "refund_account": refund.account,
        "refund_fee": amount,
        "refund_id": refund.refund_id,
        "refund_recv_accout": RECEIVER,
        "refund_request_source": refund.source,
        "refund_status": status,
        "settlement_refund_fee": amount,
        "settlement_total_fee": total,
        **arrived,
        "total_fee": total,
        "transaction_id": refund.transaction_id,
    }


def _plain(fields: dict[str, str]) -> bytes:
    return write_xml(fields, root="root", between="\n")


def _spoiled_content(refund: Refund, fault: Fault) -> dict[str, str]:
    if fault.kind == "wrong_amount":
        other = str(fault.number("refund_fee", refund.refund_fee + 1))
        return {"refund_fee": other, "settlement_refund_fee": other}
    return fault.changed_fields()


def _spliced(world: World, refund: Refund, sealed: bytes, key: str) -> bytes:
    """Return the first half of this message with the second half of the provider's newest other one.

    Both are genuine and numbers of one provider are equally long, so the fields of the two refunds mix.
    """
    other = refund_books.newest_other(world, refund)
    if other is None:
        return sealed
    theirs = seal(_plain(_fields(world, other, "SUCCESS")), key)
    cut = len(sealed) // _BLOCK // 2 * _BLOCK
    return sealed[:cut] + theirs[cut:]
