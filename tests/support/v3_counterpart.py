"""WeChat's side of API v3, as far as the protocol tests need it.

Signs, encrypts and verifies with `cryptography` alone, by the reference's own keys, so that a mistake of ours
cannot agree with itself.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.support.loopback import Received

from wechatpay.credentials import (
    ApiV3Key,
    MerchantCredentials,
    PartnerCredentials,
    ProviderKind,
    SignType,
    V3Key,
)
from wechatpay.gateway import NewOrder, TradeType
from wechatpay.identifiers import AppId, MchId, OpenId, OutTradeNo, SubMchId
from wechatpay.money import Fen
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys

FOLDER = Path(__file__).parents[1] / "vectors" / "v3"
VECTORS: dict[str, Any] = json.loads((FOLDER / "wechatpay_v3.json").read_text(encoding="utf-8"))
CONSTANTS: dict[str, str] = VECTORS["constants"]
NOW = datetime.fromtimestamp(int(CONSTANTS["timestamp"]), UTC)
MCH, SUB_MCH = CONSTANTS["sp_mchid"], CONSTANTS["sub_mchid"]
APPID, SUB_APPID = CONSTANTS["sp_appid"], CONSTANTS["sub_appid"]
PUBLIC_KEY_ID, CERTIFICATE_SERIAL = CONSTANTS["public_key_id"], CONSTANTS["certificate_serial"]
API_V3_KEY = ApiV3Key(4, CONSTANTS["api_v3_key"])
NUMBER = OutTradeNo("T20261121000001")
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
TRANSACTION = "4200001234202611210000000001"
PREPAY = "wx201410272009395522657a690389285100"

_PART = r'(?:mchid|nonce_str|timestamp|serial_no|signature)="[^"]+"'
PAID: dict[str, Any] = {
    "sp_appid": APPID,
    "sp_mchid": MCH,
    "sub_appid": SUB_APPID,
    "sub_mchid": SUB_MCH,
    "out_trade_no": NUMBER.text,
    "transaction_id": TRANSACTION,
    "trade_type": "JSAPI",
    "trade_state": "SUCCESS",
    "trade_state_desc": "支付成功",
    "bank_type": "CMB_DEBIT",
    "attach": "ord_01JD",
    "success_time": "2026-11-21T08:00:30+08:00",
    "payer": {"sp_openid": "oSp_0000000000000000000000001", "sub_openid": OPENID},
    "amount": {"total": 100, "payer_total": 90, "currency": "CNY", "payer_currency": "CNY"},
    "promotion_detail": [{"coupon_id": "1", "amount": 10}],
    "a_field_of_next_year": {"deep": [1]},
}
"""What a query and a notification say of a paid order."""

_AUTHORIZATION = re.compile(rf"WECHATPAY2-SHA256-RSA2048 ({_PART}(?:,{_PART}){{4}})")


@cache
def ours() -> RSAPrivateKey:
    """The merchant's private key of the vectors."""
    return _private("merchant_private_key.pem")


@cache
def theirs() -> RSAPrivateKey:
    """WeChat's private key of the vectors."""
    return _private("wechat_private_key.pem")


def _private(name: str) -> RSAPrivateKey:
    key = load_pem_private_key((FOLDER / name).read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def platform_keys(*serials: str) -> PlatformKeys:
    """WeChat's key under the given names; by default as a public key and as a certificate at once."""
    names = serials or (CERTIFICATE_SERIAL, PUBLIC_KEY_ID)
    return PlatformKeys(
        PlatformKey(
            name,
            theirs().public_key(),
            None if name.startswith("PUB_KEY_ID_") else NOW - timedelta(days=10),
            None if name.startswith("PUB_KEY_ID_") else NOW + timedelta(days=10),
        )
        for name in names
    )


def own_key(*serials: str) -> V3Key:
    """What the provider signs with, holding WeChat's keys of the given names."""
    return V3Key(1, CONSTANTS["serial_no"], ours(), platform_keys(*serials))


def partner(*serials: str, sub_appid: str | None = SUB_APPID) -> PartnerCredentials:
    """A provider acting for its sub-merchant."""
    return PartnerCredentials(
        ProviderKind.ORDINARY,
        MchId(MCH),
        AppId(APPID),
        SubMchId(SUB_MCH),
        AppId(sub_appid) if sub_appid else None,
        own_key(*serials),
        SignType.HMAC_SHA256,
    )


def merchant(*serials: str) -> MerchantCredentials:
    """A plain merchant."""
    return MerchantCredentials(MchId(MCH), AppId(APPID), own_key(*serials), SignType.HMAC_SHA256)


def new_order(**changes: object) -> NewOrder:
    """An order of 1 yuan; `changes` replace any field."""
    values: dict[str, object] = {
        "out_trade_no": NUMBER,
        "amount": Fen(100),
        "description": "测试商品",
        "attach": "ord_01JD",
        "notify_url": "https://pay.example.com/notify/wechat/k7/v3/payment",
        "payer_ip": "203.0.113.9",
        "trade_type": TradeType.JSAPI,
        "openid": OpenId(OPENID),
        "product_id": None,
        "time_start": NOW,
        "time_expire": NOW + timedelta(minutes=30),
        "profit_sharing": False,
    }
    return NewOrder(**{**values, **changes})  # type: ignore[arg-type]


def signature(message: bytes, key: RSAPrivateKey | None = None) -> str:
    """An RSA signature in base64, by default WeChat's."""
    signed = (key or theirs()).sign(message, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signed).decode()


def signed_headers(
    body: bytes,
    *,
    serial: str = PUBLIC_KEY_ID,
    at: datetime = NOW,
    nonce: str = "c5ac7061fccab6bf3e254dcf98995b8c",
    key: RSAPrivateKey | None = None,
) -> dict[str, str]:
    """The headers of an answer or a notification, with lower-case names."""
    timestamp = str(int(at.timestamp()))
    return {
        "wechatpay-timestamp": timestamp,
        "wechatpay-nonce": nonce,
        "wechatpay-serial": serial,
        "wechatpay-signature": signature(f"{timestamp}\n{nonce}\n".encode() + body + b"\n", key),
        "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
    }


def sealed(plain: bytes, *, nonce: str, associated_data: str, key: str = CONSTANTS["api_v3_key"]) -> str:
    """AEAD_AES_256_GCM in base64, as WeChat sends it."""
    encrypted = AESGCM(key.encode()).encrypt(nonce.encode(), plain, associated_data.encode())
    return base64.b64encode(encrypted).decode()


def notification(
    told: Mapping[str, Any] | bytes,
    /,
    *,
    event: str = "TRANSACTION.SUCCESS",
    original: str = "transaction",
    key: str = CONSTANTS["api_v3_key"],
    associated_data: str = "transaction",
    **changes: object,
) -> bytes:
    """The body of a notification; `changes` replace what stands outside of the encryption."""
    plain = told if isinstance(told, bytes) else json.dumps(told, ensure_ascii=False).encode()
    document = {
        "id": "EV-2026112108003000001",
        "create_time": "2026-11-21T08:00:31+08:00",
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": "支付成功",
        "resource": {
            "original_type": original,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": sealed(plain, nonce="61f9c719728a", associated_data=associated_data, key=key),
            "associated_data": associated_data,
            "nonce": "61f9c719728a",
        },
        **changes,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, read as WeChat does."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    authorization: Mapping[str, str]

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


def read_request(request: Received) -> Asked:
    """Check the signature over what arrived; an AssertionError is what WeChat would answer with 401."""
    form = _AUTHORIZATION.fullmatch(request.headers["authorization"])
    assert form is not None
    parts = {
        name: value.strip('"') for name, _, value in (part.partition("=") for part in form[1].split(","))
    }
    lines = request.method, request.target, parts["timestamp"], parts["nonce_str"]
    message = "".join(f"{line}\n" for line in lines).encode() + request.body + b"\n"
    told = base64.b64decode(parts.pop("signature"))
    ours().public_key().verify(told, message, padding.PKCS1v15(), hashes.SHA256())
    return Asked(request.method, request.target, request.headers, request.body, parts)


Answering = Callable[[Asked], tuple[int, Any]]


@dataclass
class V3Counterpart:
    """The gateway. `answer` gives status and document (or bytes, or None for no content) of the next answers.

    A success is signed with the key named in the request's own header, else with the certificate. `headers`
    replace or, with None, remove what an answer would have.
    """

    answer: Answering = lambda _asked: (200, {"prepay_id": PREPAY})
    requests: list[Asked] = field(default_factory=list)
    headers: dict[str, str | None] = field(default_factory=dict)
    tampering: Callable[[bytes], bytes] = lambda body: body

    def tells(self, status: int, document: object) -> None:
        """Answer so from now on."""
        self.answer = lambda _asked: (status, document)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        asked = read_request(request)
        self.requests.append(asked)
        status, document = self.answer(asked)
        if document is None:
            body = b""
        elif isinstance(document, bytes):
            body = document
        else:
            body = json.dumps(document, ensure_ascii=False).encode()
        headers: dict[str, str | None] = {"request-id": "08F7A1-268435461"}
        if status < 300:
            serial = asked.headers.get("wechatpay-serial", CERTIFICATE_SERIAL)
            headers |= signed_headers(body, serial=serial)
        writer.write(_http(status, self.tampering(body), {**headers, **self.headers}))

    @property
    def last(self) -> Asked:
        return self.requests[-1]


def _http(status: int, body: bytes, headers: Mapping[str, str | None]) -> bytes:
    told = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *told]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
