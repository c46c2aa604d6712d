"""Import files to test with: the contract's example, filled in, and ways to spoil it."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

V2_KEY = "CANARYv2key0123456789abcdefABCDE"
V3_KEY = "CANARYv3key0123456789abcdefABCDE"
APP_SECRET = "CANARYappsecret0123456789abcdef0"
PASSWORD = "CANARY-violet-otter-91"
CANARIES = (V2_KEY, V3_KEY, APP_SECRET, PASSWORD)


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(mch_id: str) -> tuple[str, str]:
    """Return a certificate whose subject is `mch_id`, and its private key, both as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, mch_id)])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_key().public_key())
        .serial_number(0x5A5A)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1800))
        .sign(_key(), hashes.SHA256())
    )
    key = _key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return built.public_bytes(serialization.Encoding.PEM).decode(), key.decode()


@cache
def public_key() -> str:
    pem = (
        _key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return pem.decode()


def example() -> dict[str, Any]:
    """Return the example of contract section 4, every field of it filled in."""
    cert, key = certificate("1900000109")
    return {
        "providers": [
            {
                "name": "云启支付服务",
                "mode": "test",
                "kind": "ordinary",
                "mch_id": "1900000109",
                "appid": "wx8888888888888888",
                "api_version": "v2",
                "sign_type": "HMAC-SHA256",
                "api_v2_key": V2_KEY,
                "api_v3_key": V3_KEY,
                "client_cert_pem": cert,
                "client_key_pem": key,
                "wechatpay_public_keys": [{"id": "PUB_KEY_ID_0119000001092026", "pem": public_key()}],
                "members": [{"email": "op@example.com", "role": "provider_owner", "password": PASSWORD}],
                "api_keys": [{"name": "ops"}],
                "tenants": [
                    {
                        "name": "晨曦咖啡",
                        "sub_mch_id": "1600000021",
                        "status": "live",
                        "limits": {"server_per_second": 50, "session_per_second": 5},
                        "bindings": [binding("wx3f8c21d0b7e6a91c", app_secret=APP_SECRET)],
                        "prices": [{"code": "latte", "name": "拿铁", "amount": 1280, "max_quantity": 20}],
                        "api_keys": [{"name": "server"}],
                        "members": [
                            {"email": "boss@example.com", "role": "merchant_user", "password": PASSWORD}
                        ],
                        "webhooks": [{"url": "https://shop.example.com/hook"}],
                    }
                ],
            }
        ],
        "admins": [{"email": "root@example.com", "role": "platform_admin", "password": PASSWORD}],
    }


def binding(
    sub_appid: str, kind: str = "miniprogram", owner: str = "merchant", **more: str
) -> dict[str, Any]:
    return {"sub_appid": sub_appid, "kind": kind, "owner": owner, **more}


def tenant(number: int, **more: Any) -> dict[str, Any]:
    """Return a small live tenant; `number` makes name and sub_mch_id its own."""
    return {"name": f"商户 {number}", "sub_mch_id": f"{1600000000 + number}", "status": "live", **more}


def provider(number: int, *tenants: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a small ordinary provider in test mode; `number` makes its mch_id and appid its own."""
    return {
        "name": f"服务商 {number}",
        "mode": "test",
        "kind": "ordinary",
        "mch_id": f"{1900000000 + number}",
        "appid": f"wx{number:016d}",
        "api_version": "v2",
        "api_v2_key": f"{number:032d}",
        "tenants": list(tenants),
        **more,
    }


def changed(document: dict[str, Any], pointer: str, value: Any) -> dict[str, Any]:
    """Return a copy of `document` with the value at `pointer` (`#/a/0/b`) set."""
    made = copy.deepcopy(document)
    *path, last = pointer.removeprefix("#/").split("/")
    inner: Any = made
    for part in path:
        inner = inner[int(part) if part.isdigit() else part]
    inner[int(last) if last.isdigit() else last] = value
    return made


def encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
