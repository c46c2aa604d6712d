"""Which item an answer of WeChat's speaks about.

At the return level WeChat sends a text only. It names the row that a person should look at, and decides
nothing else (wechatpay-v2 1.5). Source of the texts: wechatpay-v2 1.6, 11.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sptenants.doctor.items import ApiVersion
from sptenants.doctor.verdicts import WHOLE, Verdict
from wechatpay.errors import (
    BadAnswerSignature,
    InvalidRequest,
    NotSent,
    Refused,
    UnknownOutcome,
    WechatPayError,
)


@dataclass(frozen=True, slots=True)
class _Sign:
    code: str
    reason: str
    codes: frozenset[str]
    text: re.Pattern[str]


def _sign(code: str, reason: str, codes: str, text: str) -> _Sign:
    return _Sign(code, reason, frozenset(codes.split()), re.compile(text))


_SIGNS = (
    _sign("clock.skew", "far_off", "", r"不得超过5分钟"),
    _sign("sp.cert_accepted", "refused", "", r"证书序列号"),
    _sign("sp.signature", "refused", "SIGNERROR SIGN_ERROR", r"签名错误|sign.?error"),
    _sign("sp.account", "unknown", "MCHID_NOT_EXIST MCH_NOT_EXISTS", r"mch_?id.{0,4}不存在"),
    _sign("sub_mch.relation", "none", "SUB_MCHID_NOT_EXIST", r"受理关系不存在|受理关系未"),
    _sign("sub_mch.status", "restricted", "ACCOUNTERROR", r"收款功能已被限制|账户已?被?冻结"),
    _sign("sub_mch.product", "unauthorized", "", r"未授权服务商的产品权限"),
    _sign("binding.wechat_side", "mismatch", "", r"sub_mch_id与sub_appid不匹配|sub_appid.{0,6}不匹配"),
    _sign("sp.account", "unlinked", "APPID_NOT_EXIST", r"appid和mch_id不匹配|appid.{0,4}不存在"),
    _sign("sub_mch.product", "not_opened", "NOAUTH NO_AUTH", r"产品权限|没有.{0,4}权限"),
)
"""The first that fits counts."""
_MISMATCH = "APPID_MCHID_NOT_MATCH"
_OWN_APPID = re.compile(r"(?<!sub_)appid")
_BOUND_APPID = re.compile(r"sub_appid")
_BY_V3 = {
    ("sp.signature", "refused"): ("sp.signature", "refused_by_v3"),
    ("sp.signature", "answer"): ("sp.wechat_public_key", "unmatched"),
}
"""By v3 the same signs speak of other keys: calls are signed with the API certificate's, answers with
WeChat's own (wechatpay-v3 1.2, 1.3)."""
_CERTIFICATE = re.compile(r"CERT|证书")
_SIGNATURE_CODES = frozenset({"SIGNERROR", "SIGN_ERROR"})
_UNSEALED = re.compile(r"解密失败")
_NOT_OFFERED = frozenset({"RESOURCE_NOT_EXISTS", "NOT_FOUND"})


def read_query(error: WechatPayError, facts: dict[str, str], version: ApiVersion) -> Verdict:
    """Read why the question about an unknown order was not answered with ORDERNOTEXIST."""
    found = _common(error, facts, version)
    if found is not None and found.reason == "not_opened":
        # Asking is no product: whoever may not even ask does not act for this merchant.
        return Verdict("sub_mch.relation", "none", found.facts)
    if found is not None:
        return found
    if isinstance(error, Refused) and error.code == _MISMATCH:
        return Verdict("sp.account", "unlinked", facts)
    return Verdict("sub_mch.relation", "refused", facts | _said(error))


def read_order(error: WechatPayError, facts: dict[str, str], binding_id: str, version: ApiVersion) -> Verdict:
    """Read why no order could be made with the appid of a binding.

    By v3 an order is the first call that names the provider's own appid (wechatpay-v3 2.2, 2.5).
    """
    if isinstance(error, Refused) and error.code == _MISMATCH:
        if version == "v3" and _names_own_appid(error.message):
            return Verdict("sp.account", "unlinked", facts | _said(error))
        return Verdict("binding.wechat_side", "mismatch", facts | _said(error), binding_id)
    found = _common(error, facts, version)
    if found is None:
        return Verdict("binding.wechat_side", "refused", facts | _said(error), binding_id)
    if found.code == "binding.wechat_side":
        return Verdict(found.code, found.reason, facts | _said(error), binding_id)
    if found.code == "gateway.reach":
        # The gateway has a row of its own, and answered a moment ago.
        return Verdict("binding.wechat_side", "unclear", found.facts, binding_id)
    return found


def read_showing(error: WechatPayError) -> Verdict:
    """Read what became of the call that shows the certificate; other refusals come after it was accepted."""
    if isinstance(error, Refused):
        if _CERTIFICATE.search(f"{error.code} {error.message}"):
            return Verdict("sp.cert_accepted", "refused", {"why": error.code})
        return Verdict("sp.cert_accepted")
    why = str(getattr(error, "reason", ""))
    if why in {"http_400", "http_403", "unusable_certificate", "foreign_certificate"}:
        return Verdict("sp.cert_accepted", "refused", {"why": why})
    return Verdict("sp.cert_accepted", "unreachable", {"why": why})


def read_echo(error: WechatPayError) -> Verdict:
    """Read why an echo got no answer. What keeps every call from being answered has rows of its own."""
    if isinstance(error, BadAnswerSignature):
        return Verdict("sp.wechat_public_key", "unmatched")
    if isinstance(error, Refused):
        if error.code in _SIGNATURE_CODES:
            return Verdict("sp.echo", "held_up")
        if _UNSEALED.search(error.message):
            return Verdict("sp.wechat_public_key", "unmatched")
        if error.code in _NOT_OFFERED:
            return Verdict("sp.echo", "not_offered")
        return Verdict("sp.echo", "refused", _said(error))
    return Verdict("sp.echo", "unclear", {"why": _said(error)["code"]})


def _names_own_appid(message: str) -> bool:
    return _OWN_APPID.search(message) is not None and _BOUND_APPID.search(message) is None


def _common(error: WechatPayError, facts: dict[str, str], version: ApiVersion) -> Verdict | None:
    found = _sign_of(error, facts)
    if found is None or version == "v2":
        return found
    code, reason = _BY_V3.get((found.code, found.reason or ""), (found.code, found.reason))
    return replace(found, code=code, reason=reason)


def _sign_of(error: WechatPayError, facts: dict[str, str]) -> Verdict | None:
    if isinstance(error, BadAnswerSignature):
        return Verdict("sp.signature", "answer")
    if isinstance(error, NotSent):
        reason = "untrusted" if error.reason == "untrusted" else "unreachable"
        return Verdict("gateway.reach", reason, {"why": error.reason})
    if isinstance(error, UnknownOutcome):
        reason = "unreachable" if error.reason in {"timeout", "cut"} else "broken"
        return Verdict("gateway.reach", reason, {"why": error.reason})
    if isinstance(error, InvalidRequest):
        return None
    code = error.code if isinstance(error, Refused) else ""
    message = error.message if isinstance(error, Refused) else ""
    for sign in _SIGNS:
        if code in sign.codes or (message and sign.text.search(message)):
            said = facts | {"why": code} | _said(error)
            return Verdict(sign.code, sign.reason, said, WHOLE)
    return None


def _said(error: WechatPayError) -> dict[str, str]:
    if isinstance(error, Refused):
        return {"code": error.code, "message": error.message}
    if isinstance(error, InvalidRequest):
        return {"code": "NOT_SENT", "message": f"{error.field}: {error.zh}"}
    return {"code": str(getattr(error, "reason", "")), "message": ""}
