"""WeChat as far as keys need it: what it knows of a merchant number, and what it signs and encrypts with.

Made with its own cryptography from wechatpay-v3 1.2-1.7 and 1.11. A wrong signature is 401, a merchant number
without certificates 404; answers are signed by the public key when the request names it and its use is on.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from tests.support.certificates import certificate_pem, rsa_key

from spcore.clock import Clock
from wechatpay.credentials import ClientCertificate, Credentials
from wechatpay.errors import Refused, UnknownOutcome, WechatPayError
from wechatpay.gateway import Gateway, OrderState, Reversed
from wechatpay.identifiers import OutTradeNo
from wechatpay.transport import RawAnswer

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
_PAIR = re.compile(r'(\w+)="([^"]*)"')


@dataclass(slots=True)
class Account:
    """What WeChat knows of one merchant number."""

    v2_key: str | None = None
    v3_key: str | None = None
    certificates: dict[str, RSAPublicKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signer:
    """One of WeChat's own keys; `pem` is the certificate of one that has it."""

    serial: str
    key: RSAPrivateKey
    pem: bytes | None = None
    begins: datetime | None = None
    ends: datetime | None = None


def platform_signer(name: str, serial: int, begins: datetime, ends: datetime) -> Signer:
    """Return a platform certificate of WeChat's with its key."""
    key = rsa_key(f"wechat {name}")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    return Signer(f"{serial:X}", key, certificate_pem(certificate), begins, ends)


@dataclass(slots=True)
class FakeKeyDesk:
    """`offered` certificates are the newest last; the first one that is effective signs."""

    clock: Clock
    accounts: dict[str, Account] = field(default_factory=dict)
    offered: list[Signer] = field(default_factory=list)
    public: Signer | None = None
    public_key_signs: bool = True
    asked: Counter[str] = field(default_factory=Counter)
    faults: list[WechatPayError | RawAnswer] = field(default_factory=list)
    on_echo: Callable[[str, str], Awaitable[None]] | None = None
    """Is given the message and the notify_url before the answer."""
    during: Callable[[], Awaitable[None]] | None = None
    """Run while a question is under way."""

    def of(self, mode: str, api_version: str, provider_id: str) -> Gateway:
        assert (mode, api_version) == ("test", "v2")
        assert provider_id
        return cast("Gateway", _V2(self))

    def line(self, mode: str, provider_id: str) -> FakeKeyDesk:
        assert mode == "test"
        assert provider_id
        return self

    def account(self, mch_id: str) -> Account:
        return self.accounts.setdefault(mch_id, Account())

    async def send_json(
        self,
        method: str,
        target: str,
        body: bytes,
        *,
        auth: httpx.Auth,
        headers: Mapping[str, str] = MappingProxyType({}),
        deadline_s: float | None = None,
        repeatable: bool = True,
    ) -> RawAnswer:
        self.asked[target] += 1
        if self.during is not None:
            await self.during()
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, RawAnswer):
                return fault
            raise fault
        request = next(auth.auth_flow(httpx.Request(method, f"https://desk.test{target}", content=body)))
        account = self._who(method, target, body, request.headers["Authorization"])
        if account is None:
            return _refused(401, "SIGN_ERROR")
        if (method, target) == ("GET", "/v3/certificates"):
            return self._certificates(account)
        assert (method, target) == ("POST", "/v3/security/echo")
        return await self._echo(account, json.loads(body), headers["Wechatpay-Serial"])

    def notification(
        self, mch_id: str, signer: Signer, plain: dict[str, Any]
    ) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a notification as WeChat sends it now."""
        key = self.account(mch_id).v3_key
        assert key is not None
        body = json.dumps(
            {
                "id": f"EV-{secrets.token_hex(8)}",
                "create_time": self.clock.now().isoformat(),
                "resource_type": "encrypt-resource",
                "event_type": "TRANSACTION.SUCCESS",
                "summary": "支付成功",
                "resource": {"original_type": "transaction"}
                | _sealed(key, json.dumps(plain).encode(), "transaction"),
            },
            ensure_ascii=False,
        ).encode()
        return body, self._signed(signer, body)

    def _who(self, method: str, target: str, body: bytes, told: str) -> Account | None:
        parts = dict(_PAIR.findall(told))
        account = self.accounts.get(parts["mchid"])
        public = account.certificates.get(parts["serial_no"]) if account is not None else None
        message = f"{method}\n{target}\n{parts['timestamp']}\n{parts['nonce_str']}\n".encode() + body + b"\n"
        if public is None:
            return None
        try:
            public.verify(base64.b64decode(parts["signature"]), message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return None
        return account

    def _certificates(self, account: Account) -> RawAnswer:
        if not self.offered:
            return _refused(404, "RESOURCE_NOT_EXISTS")
        assert account.v3_key is not None
        entries = []
        for signer in self.offered:
            assert signer.pem is not None
            assert signer.begins is not None
            assert signer.ends is not None
            entries.append(
                {
                    "serial_no": signer.serial,
                    "effective_time": signer.begins.isoformat(),
                    "expire_time": signer.ends.isoformat(),
                    "encrypt_certificate": _sealed(account.v3_key, signer.pem, "certificate"),
                }
            )
        return self._answer(self._default(), {"data": entries})

    async def _echo(self, account: Account, told: dict[str, Any], serial: str) -> RawAnswer:
        known = {one.serial: one for one in (*self.offered, self.public) if one is not None}
        if serial not in known:
            return _refused(400, "PARAM_ERROR")
        sealed = base64.b64decode(told["encrypted_echo_message"])
        try:
            plain = known[serial].key.decrypt(sealed, _OAEP)
        except ValueError:
            return _refused(400, "PARAM_ERROR")
        if self.on_echo is not None and told.get("notify_url"):
            await self.on_echo(told["echo_message"], told["notify_url"])
        for_us = next(iter(account.certificates.values()))
        answer = {
            "echo_message": told["echo_message"],
            "encrypted_echo_message": base64.b64encode(for_us.encrypt(plain, _OAEP)).decode(),
        }
        by_public = self.public is not None and serial == self.public.serial and self.public_key_signs
        return self._answer(self.public if by_public and self.public else self._default(), answer)

    def _default(self) -> Signer:
        now = self.clock.now()
        effective = [one for one in self.offered if one.begins is None or one.begins <= now]
        if effective:
            return effective[0]
        assert self.public is not None
        return self.public

    def _answer(self, signer: Signer, document: dict[str, Any]) -> RawAnswer:
        body = json.dumps(document).encode()
        return RawAnswer(200, self._signed(signer, body), body, 3, "desk.test")

    def _signed(self, signer: Signer, body: bytes) -> dict[str, str]:
        timestamp, nonce = str(int(self.clock.now().timestamp())), secrets.token_hex(16)
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = signer.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return {
            "wechatpay-timestamp": timestamp,
            "wechatpay-nonce": nonce,
            "wechatpay-serial": signer.serial,
            "wechatpay-signature": base64.b64encode(signature).decode(),
            "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
        }


class _V2:
    """The two questions of API v2 that prove a key or a certificate."""

    def __init__(self, desk: FakeKeyDesk) -> None:
        self._desk = desk

    async def query(self, credentials: Credentials, out_trade_no: OutTradeNo) -> OrderState:
        self._desk.asked["orderquery"] += 1
        assert out_trade_no.text.startswith("probe-")
        if self._desk.faults:
            raise cast("WechatPayError", self._desk.faults.pop(0))
        if self._desk.account(credentials.mch_id.text).v2_key != credentials.v2_key.secret:
            raise Refused("FAIL", "签名错误", "return", definitive=False)
        raise Refused("ORDERNOTEXIST", "订单不存在", "result", definitive=False)

    async def reverse(
        self, credentials: Credentials, certificate: ClientCertificate, out_trade_no: OutTradeNo
    ) -> Reversed:
        self._desk.asked["reverse"] += 1
        known = self._desk.account(credentials.mch_id.text).certificates
        if certificate.serial not in known:
            raise UnknownOutcome("http_400")
        raise Refused("ORDERNOTEXIST", "订单不存在", "result", definitive=False)


def _sealed(key: str, plain: bytes, associated_data: str) -> dict[str, str]:
    nonce = secrets.token_hex(6)
    ciphertext = AESGCM(key.encode()).encrypt(nonce.encode(), plain, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": nonce,
        "associated_data": associated_data,
        "ciphertext": base64.b64encode(ciphertext).decode(),
    }


def _refused(status: int, code: str) -> RawAnswer:
    return RawAnswer(status, {}, json.dumps({"code": code, "message": "x"}).encode(), 3, "desk.test")


def in_years(moment: datetime, years: float) -> datetime:
    return moment + timedelta(days=365 * years)
