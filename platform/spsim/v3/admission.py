"""The checks of every v3 call in the gateway's order, up to its schema (wechatpay-v3 10, 1.2, 1.8)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from spsim.registry import ApiCertificate, Provider, api_certificates, find_provider
from spsim.world import World

from . import crypto, keys, rules
from .endpoint import (
    Document,
    Endpoint,
    Request,
    check_body,
    check_path,
    check_query,
    sealed_fields,
)
from .failures import (
    AUTHORIZATION,
    BODY,
    QUERY,
    Detail,
    Failed,
    against_the_rules,
    no_permission,
    wrong_parameter,
)

WINDOW_S: Final = 300
"""A timestamp may be so far from the gateway's clock."""
MAX_BODY: Final = 1024 * 1024
"""Enough for the longest list of goods."""
_SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
_PAIR: Final = re.compile(r'([a-z_]+)="([^"]*)"')
_NAMES: Final = frozenset({"mchid", "nonce_str", "timestamp", "serial_no", "signature"})
_SECONDS: Final = re.compile(r"[0-9]{10}")
_NONCE: Final = re.compile(r"[0-9A-Za-z_-]{1,32}")
_SHOWN_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in; header names are lower-case, `target` is path and query as sent.

    `origin` is scheme and host, without a slash at the end.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    origin: str

    @property
    def path(self) -> str:
        """The path as sent, still encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query string as sent."""
        return self.target.partition("?")[2]


class Nonces:
    """The nonces seen within the window, for providers whose rules refuse a request sent twice."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def claim(self, mch_id: str, nonce: str, now_s: int) -> bool:
        """Remember a nonce; False when it was there already."""
        for known, at in list(self._seen.items()):
            if now_s - at > 2 * WINDOW_S:
                del self._seen[known]
        if (mch_id, nonce) in self._seen:
            return False
        self._seen[mch_id, nonce] = now_s
        return True


def admit(world: World, nonces: Nonces, endpoint: Endpoint, received: Received) -> Request:
    """Return the call when it passes the checks up to the schema; raises Failed.

    Acceptance relation, appids, openids and states are checked by the rules themselves, in that order.
    """
    if endpoint.agent and not received.headers.get("user-agent"):
        raise Failed(400, "INVALID_REQUEST", "Http头缺少Accept或User-Agent")
    provider, certificate = _authenticate(world, nonces, received)
    query = _query(received.query)
    path = endpoint.match(received.path) or {}
    check_path(endpoint, path)
    check_query(endpoint, query)
    body = _body(endpoint, received)
    request = Request(
        endpoint,
        provider,
        certificate,
        received.headers.get("wechatpay-serial"),
        path,
        query,
        body,
        received.origin,
    )
    _check_caller(request)
    _open_sealed(world, request)
    return request


def _authenticate(world: World, nonces: Nonces, received: Received) -> tuple[Provider, ApiCertificate]:
    """Check form, time, serial and signature of the Authorization, in this order."""
    given = _authorization(received.headers.get("authorization", ""))
    now_s = keys.now_ms(world, given["mchid"]) // 1000
    if not _SECONDS.fullmatch(given["timestamp"]) or abs(now_s - int(given["timestamp"])) > WINDOW_S:
        raise _sign_error("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟", "timestamp")
    provider = find_provider(world.ledger, given["mchid"])
    if provider is None:
        raise _sign_error("商户号不存在", "mchid", log=f"mchid {given['mchid']} is not registered")
    certificate = _certificate(world, provider, given["serial_no"])
    message = crypto.request_message(
        received.method, received.target, given["timestamp"], given["nonce_str"], received.body
    )
    if not crypto.verifies(certificate.pem, message, given["signature"]):
        raise Failed(
            401,
            "SIGN_ERROR",
            "错误的签名，验签失败",
            _sign_information(received, message),
            log="the signature does not verify over what was received",
        )
    if rules.of(world.ledger, provider.mch_id).refuse_repeated_nonce and not nonces.claim(
        provider.mch_id, given["nonce_str"], now_s
    ):
        raise _sign_error("nonce_str已被使用", "nonce_str")
    return provider, certificate


def _authorization(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    pairs = _PAIR.findall(rest)
    given = dict(pairs)
    rebuilt = ",".join(f'{name}="{value}"' for name, value in pairs)
    if scheme != _SCHEME or rest != rebuilt or len(pairs) != len(given) or given.keys() != _NAMES:
        raise _sign_error(
            "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》", "Authorization"
        )
    if not _NONCE.fullmatch(given["nonce_str"]):
        raise _sign_error("Http头Authorization中的nonce_str格式错误", "nonce_str")
    return given


def _certificate(world: World, provider: Provider, serial: str) -> ApiCertificate:
    """Return the merchant's certificate of that serial: upper-case hex, leading zeros or not."""
    for known in api_certificates(world.ledger, provider.mch_id):
        if known.serial.lstrip("0") == serial.lstrip("0"):
            return known
    raise _sign_error("商户证书序列号有误", "serial_no", log=f"no certificate {serial} of {provider.mch_id}")


def _sign_error(message: str, field: str, log: str = "") -> Failed:
    detail: Detail = {"field": field, "issue": message, "location": AUTHORIZATION}
    return Failed(401, "SIGN_ERROR", message, detail, log=log or message)


def _sign_information(received: Received, message: bytes) -> Detail:
    """Return what the gateway built from the request, to be compared with what was signed (1.8)."""
    return {
        "field": "signature",
        "issue": "sign not match",
        "location": AUTHORIZATION,
        "sign_information": {
            "method": received.method,
            "url": received.target,
            "truncated_sign_message": message[:_SHOWN_MESSAGE].decode("utf-8", "replace"),
            "sign_message_length": len(message),
        },
    }


def _query(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    if len(given) != len(pairs):
        raise wrong_parameter("query", query, "参数重复", QUERY)
    return given


def _body(endpoint: Endpoint, received: Received) -> Document:
    if endpoint.body is None:
        return {}
    if received.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise wrong_parameter("Content-Type", received.headers.get("content-type"), "必须为application/json")
    document = _read(received.body)
    check_body(endpoint.body, document)
    return document


def _read(body: bytes) -> Document:
    if len(body) > MAX_BODY:
        raise wrong_parameter("/", len(body), f"请求体超过{MAX_BODY}字节")
    try:
        document = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Failed(
            400, "PARAM_ERROR", "请求体不是有效的JSON", {"location": BODY}, log=type(error).__name__
        ) from None
    if not isinstance(document, dict):
        raise wrong_parameter("/", None, "必须为对象")
    return document


def _once(pairs: list[tuple[str, object]]) -> Document:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key appears twice")
    return dict(pairs)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _check_caller(request: Request) -> None:
    """Check that the number in the call is the caller's own and the path is for merchants of its kind."""
    endpoint, provider = request.endpoint, request.provider
    if endpoint.caller is not None and request.named(endpoint.caller) != provider.mch_id:
        location = QUERY if endpoint.caller in endpoint.query else BODY
        field = endpoint.caller if location == QUERY else f"/{endpoint.caller}"
        issue = "与Authorization中的mchid不一致"
        raise wrong_parameter(field, request.named(endpoint.caller), issue, location)
    if endpoint.partner is not None and endpoint.partner != provider.has_sub_merchants:
        wanted = "服务商" if endpoint.partner else "普通商户"
        raise no_permission(f"该接口仅支持{wanted}调用")


def _open_sealed(world: World, request: Request) -> None:
    """Decrypt the personal fields with the key of WeChat that the call names (1.7)."""
    sealed = {} if request.endpoint.body is None else sealed_fields(request.endpoint.body, request.body)
    if not sealed:
        return
    named = request.wechatpay_serial
    key = None if named is None else keys.by_serial(world.ledger, request.provider.mch_id, named)
    if key is None:
        issue = "敏感信息加密须在Http头Wechatpay-Serial中上送有效的微信支付平台证书序列号或公钥ID"
        raise wrong_parameter("Wechatpay-Serial", named, issue)
    for pointer, text in sealed.items():
        try:
            request.opened[pointer] = crypto.unseal(key.private_pem, text)
        except ValueError:
            raise against_the_rules(f"{pointer}解密失败，请检查加密所用的公钥与Wechatpay-Serial") from None
