"""The refund notification of API v2: decrypted and typed. A hint, never evidence.

It carries no signature, and its cipher works block by block without any check: whoever has two
notifications of a provider can cut a third from them that decrypts. So it may cause a refundquery
and nothing else. Source: wechatpay-v2 5.3; failure catalogue 2.3, N11.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from wechatpay.credentials import V2Key
from wechatpay.errors import BadField, NotificationRejected
from wechatpay.gateway import RefundStatus
from wechatpay.identifiers import AppId, MchId, OutRefundNo, OutTradeNo, RefundId, SubMchId, TransactionId
from wechatpay.money import Fen
from wechatpay.v2 import envelope
from wechatpay.v2.fields import Fields

MAX_REQ_INFO = 8 * 1024
_BLOCK_BYTES = 16
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class RefundHint:
    """What somebody who knows the provider's key, or cut up its messages, says of a refund.

    `total_fee` is the order's amount, `refund_fee` the refund's. `success_at` is UTC. `source` is
    "API", or "VENDOR_PLATFORM" for a refund made at WeChat's own console, or another text, or "".
    `mch_id`, `appid`, `sub_mch_id` and `sub_appid` stood outside of the encryption.
    """

    mch_id: MchId
    appid: AppId
    sub_mch_id: SubMchId | None
    sub_appid: AppId | None
    transaction_id: TransactionId
    out_trade_no: OutTradeNo
    refund_id: RefundId
    out_refund_no: OutRefundNo
    total_fee: Fen
    refund_fee: Fen
    status: RefundStatus
    success_at: datetime | None
    source: str
    key_version: int


def read_refund(body: bytes, keys: Sequence[V2Key]) -> RefundHint:
    """Decrypt with one of the provider's key versions, current first (K01), and check every form.

    Raises NotificationRejected: too_large, not_utf8, doctype, malformed, duplicate_field,
    return_fail, missing_field, and undecryptable when no key opens it.
    """
    outer = _parsed(body)
    _check_return_code(outer)
    req_info = outer.get("req_info")
    if not req_info:
        raise NotificationRejected("missing_field", "req_info")
    for key in keys:
        plain = decrypt(req_info, key)
        if plain is not None:
            return _hint(outer, _parsed(plain, root="root"), key.version)
    raise NotificationRejected("undecryptable", "req_info")


def decrypt(req_info: str, key: V2Key) -> bytes | None:
    """The document inside, None when `key` does not open it.

    Raises NotificationRejected("too_large" | "malformed") for what cannot be a ciphertext.
    """
    if len(req_info) > MAX_REQ_INFO:
        raise NotificationRejected("too_large", "req_info")
    try:
        sealed = base64.b64decode(req_info, validate=True)
    except (binascii.Error, ValueError):
        raise NotificationRejected("malformed", "req_info") from None
    if not sealed or len(sealed) % _BLOCK_BYTES:
        raise NotificationRejected("malformed", "req_info")
    # WeChat's derivation and mode, not our choice: that is why this is only a hint.
    secret = hashlib.md5(key.secret.encode(), usedforsecurity=False).hexdigest().encode()
    decryptor = Cipher(algorithms.AES(secret), modes.ECB()).decryptor()  # noqa: S305
    unpadder = padding.PKCS7(_BLOCK_BYTES * 8).unpadder()
    try:
        plain = unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        return None
    # One wrong key in 256 leaves a padding that looks right, and never a document.
    return plain if plain.lstrip().startswith(b"<") else None


def _parsed(document: bytes, root: str = "xml") -> dict[str, str]:
    try:
        values = envelope.parse(document, root=root)
    except envelope.MalformedXml as error:
        raise NotificationRejected(error.reason, error.field) from None
    if any(_NAME.fullmatch(name) is None for name in values):
        raise NotificationRejected("malformed", "name")
    return values


def _check_return_code(outer: Mapping[str, str]) -> None:
    return_code = outer.get("return_code")
    if not return_code:
        raise NotificationRejected("missing_field", "return_code")
    if return_code == "FAIL":
        raise NotificationRejected("return_fail")
    if return_code != "SUCCESS":
        raise NotificationRejected("malformed", "return_code")


def _hint(outer: Mapping[str, str], inner: Mapping[str, str], key_version: int) -> RefundHint:
    envelope_fields, fields = Fields(outer), Fields(inner)
    try:
        return RefundHint(
            mch_id=envelope_fields.need("mch_id", MchId),
            appid=envelope_fields.need("appid", AppId),
            sub_mch_id=envelope_fields.identifier("sub_mch_id", SubMchId),
            sub_appid=envelope_fields.identifier("sub_appid", AppId),
            transaction_id=fields.need("transaction_id", TransactionId),
            out_trade_no=fields.need("out_trade_no", OutTradeNo),
            refund_id=fields.need("refund_id", RefundId),
            out_refund_no=fields.need("out_refund_no", OutRefundNo),
            total_fee=fields.required("total_fee", fields.fen),
            refund_fee=fields.required("refund_fee", fields.fen),
            status=_status(fields),
            success_at=fields.moment("success_time"),
            source=fields.word("refund_request_source") or "",
            key_version=key_version,
        )
    except BadField as error:
        known = error.field in inner or error.field in outer
        raise NotificationRejected("malformed" if known else "missing_field", error.field) from None


def _status(fields: Fields) -> RefundStatus:
    try:
        return RefundStatus(fields.text("refund_status"))
    except ValueError:
        raise BadField("refund_status") from None
