"""Platform certificates and the official self-test (wechatpay-v3 1.6, 1.11)."""

from __future__ import annotations

from typing import Final

from spsim.clock import rfc3339
from spsim.signing import random_text
from spsim.world import World

from . import crypto, keys, letters, paths
from .endpoint import Document, Endpoint, Object, Request, Text
from .failures import Failed, against_the_rules, wrong_parameter
from .keys import WechatKey
from .values import check_notify_url

_ASSOCIATED_DATA: Final = "certificate"
_ALGORITHM: Final = "AEAD_AES_256_GCM"


def _certificates(world: World, request: Request) -> Document:
    """List the platform certificates, each encrypted with the APIv3 key."""
    published = keys.published(world, request.provider)
    if not published or request.query.get("algorithm_type") == "SM2":
        raise Failed(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥")
    api_v3_key = request.provider.api_v3_key
    if api_v3_key is None:
        raise against_the_rules("商户未设置APIv3密钥")
    return {"data": [_entry(key, api_v3_key) for key in published]}


def _entry(key: WechatKey, api_v3_key: str) -> Document:
    nonce = random_text(12, "0123456789abcdef")
    return {
        "serial_no": key.serial,
        "effective_time": rfc3339(key.effective_at),
        "expire_time": rfc3339(key.expires_at or 0),
        "encrypt_certificate": {
            "algorithm": _ALGORITHM,
            "nonce": nonce,
            "associated_data": _ASSOCIATED_DATA,
            "ciphertext": crypto.encrypt(api_v3_key, nonce, _ASSOCIATED_DATA, key.public_pem),
        },
    }


def _echo(world: World, request: Request) -> Document:
    """Send a message back, sealed for the caller's certificate too, and by notification if one is wanted."""
    named = request.wechatpay_serial
    if named is None or keys.by_serial(world.ledger, request.provider.mch_id, named) is None:
        raise wrong_parameter("Wechatpay-Serial", named, "须为有效的微信支付平台证书序列号或公钥ID")
    message, url = request.text("/echo_message"), request.text("/notify_url")
    if url:
        check_notify_url("/notify_url", url)
    secret = request.opened.get("/encrypted_echo_message")
    sealed = None if secret is None else crypto.seal(request.certificate.pem, secret)
    if url:
        letters.echo(world, request.provider.mch_id, url, message, sealed)
    told: Document = {"echo_message": message}
    return told if sealed is None else told | {"encrypted_echo_message": sealed}


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        paths.CERTIFICATES,
        _certificates,
        query={"algorithm_type": Text(8, choices=("RSA", "SM2", "ALL"))},
    ),
    Endpoint(
        "POST",
        paths.ECHO,
        _echo,
        body=Object(
            {
                "echo_message": Text(512, required=True),
                "encrypted_echo_message": Text(1024, sealed=True),
                "notify_url": Text(255),
            }
        ),
    ),
)
