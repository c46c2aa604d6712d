"""Checks 1 to 8 of every v2 POST, in the gateway's order (wechatpay-v2 11.1); a failure is an unsigned
`return_code=FAIL`. Business rules come later and answer signed, with an `err_code`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .certificates import same_certificate
from .fields import Endpoint, Field
from .ledger import Ledger
from .registry import (
    Provider,
    api_certificates,
    binding_kind,
    find_provider,
    find_sub_merchant,
    is_linked,
    openid_belongs,
)
from .signing import SIGN_TYPES, verifies
from .wire import BadXml, NotUtf8, read_xml

_OPENID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")
_STATUS_MESSAGES: Final = {
    "restricted": "此商家的收款功能已被限制，暂无法支付",
    "unauthorized": "特约子商户商户号未授权服务商的产品权限",
}


class Refused(Exception):
    """The call fails at the communication level: `message` goes out, `detail` stays in our log."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class Declined(Exception):
    """A business rule is broken: answered signed, with an error code."""

    def __init__(self, err_code: str, description: str) -> None:
        super().__init__(f"{err_code}: {description}")
        self.err_code = err_code
        self.description = description


@dataclass(frozen=True, slots=True)
class Call:
    """A request that passed checks 1 to 8: its non-empty parameters, who sent it, how it was signed."""

    endpoint: Endpoint
    params: dict[str, str]
    provider: Provider
    key: str
    sign_type: str

    def get(self, name: str) -> str:
        """Return a parameter, "" when absent."""
        return self.params.get(name, "")


def admit(ledger: Ledger, endpoint: Endpoint, method: str, body: bytes) -> Call:
    """Return the call when it passes checks 1 to 8; raises Refused with the gateway's message."""
    if method != "POST":
        raise Refused("请使用post方法")
    sent = _read(body)
    _check_fields(endpoint, sent)
    params = {name: value for name, value in sent.items() if value != ""}
    provider = _identify(ledger, params)
    sign_type = params.get("sign_type", "MD5")
    key = _check_signature(provider, params, sign_type)
    _check_sub_merchant(ledger, endpoint, provider, params)
    _check_payer(ledger, params)
    return Call(endpoint, params, provider, key, sign_type)


def check_certificate(ledger: Ledger, call: Call, shown: str | None) -> None:
    """Check that the certificate the client showed is the caller's own, where the call needs one.

    Raises Declined (wechatpay-v2 9, catalogue F09).
    """
    if not call.endpoint.certificate:
        return
    own = api_certificates(ledger, call.provider.mch_id)
    if shown is None or not any(same_certificate(known.pem, shown) for known in own):
        raise Declined("CERT_ERROR", "证书校验错误")


def _read(body: bytes) -> dict[str, str]:
    if not body.strip():
        raise Refused("post数据为空")
    try:
        return read_xml(body)
    except NotUtf8 as error:
        raise Refused("编码格式错误", str(error)) from None
    except BadXml as error:
        raise Refused("XML格式错误", str(error)) from None


def _check_fields(endpoint: Endpoint, sent: dict[str, str]) -> None:
    for name in sent:
        if name not in endpoint.fields:
            raise Refused(f"参数错误：未知的参数{name}", f"{endpoint.path} has no field {name}")
    for name, rule in endpoint.fields.items():
        value = sent.get(name, "")
        if rule.required and value == "":
            raise Refused(f"缺少参数：{name}")
        _check_length(name, rule, value)
    _check_conditional(endpoint, sent)


def _check_length(name: str, rule: Field, value: str) -> None:
    length = len(value.encode())
    if length > rule.max_bytes:
        raise Refused(
            f"输入源“/body/xml/{name}”映射到值字段“{rule.title}”字符串规则校验失败，"
            f"字节数 {length}，大于最大值 {rule.max_bytes}"
        )


def _check_conditional(endpoint: Endpoint, sent: dict[str, str]) -> None:
    """Fields that another field makes necessary (the C rows of the tables)."""
    trade_type = sent.get("trade_type")
    if trade_type == "NATIVE" and not sent.get("product_id"):
        raise Refused("缺少参数：product_id")
    if trade_type == "MWEB" and not sent.get("scene_info"):
        raise Refused("缺少参数：scene_info")
    if sent.get("sub_openid") and not sent.get("sub_appid"):
        raise Refused("缺少参数：sub_appid", "sub_openid needs sub_appid")
    if trade_type == "JSAPI" and not (sent.get("openid") or sent.get("sub_openid")):
        raise Refused("JSAPI支付必须传openid")
    if sent.get("openid") and sent.get("sub_openid"):
        raise Refused("openid和sub_openid只能传其中之一")
    if endpoint.one_of and not any(sent.get(name) for name in endpoint.one_of):
        raise Refused(f"缺少参数：{endpoint.one_of[-1]}", f"{' or '.join(endpoint.one_of)} is needed")


def _identify(ledger: Ledger, params: dict[str, str]) -> Provider:
    provider = find_provider(ledger, params["mch_id"])
    if provider is None:
        raise Refused("商户号mch_id不存在", "register it by POST /_sim/providers")
    if not is_linked(ledger, provider.mch_id, params["appid"]):
        raise Refused("appid和mch_id不匹配")
    return provider


def _check_signature(provider: Provider, params: dict[str, str], sign_type: str) -> str:
    key = provider.api_v2_key
    if key is None:
        raise Refused("签名错误", "the provider was registered without api_v2_key")
    if sign_type not in SIGN_TYPES:
        raise Refused("签名错误", "sign_type is neither MD5 nor HMAC-SHA256")
    if verifies(params, params["sign"], key, sign_type):
        return key
    fitting = [other for other in SIGN_TYPES if verifies(params, params["sign"], key, other)]
    hint = f"it would verify as {fitting[0]}" if fitting else "wrong key, or other values signed than sent"
    raise Refused("签名错误", f"checked as {sign_type}: {hint}")


def _check_sub_merchant(
    ledger: Ledger, endpoint: Endpoint, provider: Provider, params: dict[str, str]
) -> None:
    if not provider.has_sub_merchants:
        for name in ("sub_mch_id", "sub_appid", "sub_openid"):
            if name in params:
                raise Refused(f"普通商户不能传入{name}")
        return
    sub_mch_id = params.get("sub_mch_id")
    if sub_mch_id is None:
        if endpoint.report:
            return
        raise Refused("受理机构必须传入sub_mch_id")
    if sub_mch_id == provider.mch_id:
        raise Refused("子商户mchid不能与自身mchid相同")
    sub_merchant = find_sub_merchant(ledger, provider.mch_id, sub_mch_id)
    if sub_merchant is None:
        raise Refused("受理关系不存在")
    if sub_merchant.wechat_status != "normal" and not endpoint.report:
        raise Refused(_STATUS_MESSAGES[sub_merchant.wechat_status])
    sub_appid = params.get("sub_appid")
    if sub_appid is not None and binding_kind(ledger, provider.mch_id, sub_mch_id, sub_appid) is None:
        raise Refused("sub_mch_id与sub_appid不匹配")


def _check_payer(ledger: Ledger, params: dict[str, str]) -> None:
    pairs = (
        ("openid", "appid", "appid与openid不匹配"),
        ("sub_openid", "sub_appid", "sub_appid和sub_openid不匹配"),
    )
    for user, app, message in pairs:
        openid = params.get(user)
        if openid is None:
            continue
        if not _OPENID.fullmatch(openid):
            raise Refused("无效的openid")
        if not openid_belongs(ledger, params[app], openid):
            raise Refused(message)
