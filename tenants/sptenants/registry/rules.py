"""What WeChat allows in a registry, as pure checks: each returns the faults it finds.

Sources: acceptance S1-03, S1-37 to S1-42, wechatpay-v2 6.1 and 6.2, failure catalogue S18.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum

from spcore import egress
from spcore.errors import Fault, Text
from sptenants.registry.models import MAX_BINDINGS
from wechatpay.credentials import ProviderKind
from wechatpay.identifiers import AppId, Identifier, InvalidIdentifier, MchId, SubMchId


class TenantStatus(StrEnum):
    DRAFT = "draft"
    ONBOARDING = "onboarding"
    READY = "ready"
    LIVE = "live"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class AppKind(StrEnum):
    MINIPROGRAM = "miniprogram"
    OFFICIAL_ACCOUNT = "official_account"
    APP = "app"


class AppOwner(StrEnum):
    """Whose legal entity the app is verified for: sub-merchant, channel, or the service provider."""

    MERCHANT = "merchant"
    CHANNEL = "channel"
    PROVIDER = "provider"


OWNERS: Mapping[AppKind, frozenset[AppOwner]] = {
    AppKind.MINIPROGRAM: frozenset({AppOwner.MERCHANT, AppOwner.CHANNEL, AppOwner.PROVIDER}),
    AppKind.OFFICIAL_ACCOUNT: frozenset({AppOwner.MERCHANT, AppOwner.CHANNEL}),
    AppKind.APP: frozenset({AppOwner.MERCHANT, AppOwner.CHANNEL}),
}
"""Which owners WeChat lets bind which kind of app (S1-38, S1-39)."""

MOVES: Mapping[TenantStatus, frozenset[TenantStatus]] = {
    TenantStatus.DRAFT: frozenset({TenantStatus.ONBOARDING, TenantStatus.CLOSED}),
    TenantStatus.ONBOARDING: frozenset({TenantStatus.READY, TenantStatus.CLOSED}),
    TenantStatus.READY: frozenset({TenantStatus.LIVE, TenantStatus.CLOSED}),
    TenantStatus.LIVE: frozenset({TenantStatus.SUSPENDED}),
    TenantStatus.SUSPENDED: frozenset({TenantStatus.LIVE, TenantStatus.CLOSED}),
    TenantStatus.CLOSED: frozenset(),
}
"""The life of a tenant. Closing is for good: the number may live on elsewhere, the history stays (T12)."""

MAX_NAME = 64
_APP_SECRET = re.compile(r"[\x21-\x7e]{1,128}")
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def name_faults(name: str, pointer: str) -> list[Fault]:
    """A name people read: no blanks around it, nothing invisible that makes two names look alike (S18)."""
    hidden = any(unicodedata.category(character) in _INVISIBLE for character in name)
    if not name or len(name) > MAX_NAME or name != name.strip() or hidden:
        return [Fault(pointer, "invalid_name", _NAME)]
    return []


def lookalike_faults(name: str, pointer: str) -> list[Fault]:
    """Letters that look like others and make two names read alike (S18): full-width Latin letters and
    digits, and letters of other alphabets beside Latin or Chinese ones.
    """
    scripts = {_script(character) for character in name} - {""}
    if "FULLWIDTH" in scripts or (len(scripts) > 1 and scripts & {"CYRILLIC", "GREEK"}):
        return [Fault(pointer, "lookalike", _LOOKALIKE)]
    return []


def _script(character: str) -> str:
    """Return the alphabet a letter or digit belongs to, as far as it matters here; else an empty text."""
    word = unicodedata.name(character, "").split(" ")[0]
    if word == "FULLWIDTH":
        return word if unicodedata.category(character)[0] in "LN" else ""
    return word if word in {"LATIN", "CYRILLIC", "GREEK", "CJK"} else ""


def mch_id_faults(mch_id: str, pointer: str) -> list[Fault]:
    return _identifier_faults(MchId, mch_id, pointer, _MCH_ID)


def appid_faults(appid: str, pointer: str) -> list[Fault]:
    return _identifier_faults(AppId, appid, pointer, _APPID)


def sub_mch_id_faults(
    sub_mch_id: str | None, *, provider_kind: str, provider_mch_id: str, pointer: str
) -> list[Fault]:
    """A sub-merchant has a number of its own; the one tenant of a plain merchant has none (S1-03, S1-30)."""
    if provider_kind == ProviderKind.MERCHANT:
        return [] if sub_mch_id is None else [Fault(pointer, "not_allowed", _NO_SUB_MCH_ID)]
    if sub_mch_id is None:
        return [Fault(pointer, "missing", _SUB_MCH_ID)]
    if sub_mch_id == provider_mch_id:
        return [Fault(pointer, "same_as_provider", _OWN_NUMBER)]
    return _identifier_faults(SubMchId, sub_mch_id, pointer, _SUB_MCH_ID)


def owner_faults(kind: str, owner: str, pointer: str) -> list[Fault]:
    """The nine pairs of kind and owner, of which WeChat refuses two (S1-38, S1-39)."""
    if kind not in set(AppKind):
        return [Fault(f"{pointer}/kind", "unknown_value", _one_of(AppKind))]
    if owner not in set(AppOwner):
        return [Fault(f"{pointer}/owner", "unknown_value", _one_of(AppOwner))]
    if AppOwner(owner) not in OWNERS[AppKind(kind)]:
        return [Fault(f"{pointer}/owner", "owner_not_allowed", _OWNER)]
    return []


def app_secret_faults(app_secret: str, pointer: str) -> list[Fault]:
    if _APP_SECRET.fullmatch(app_secret) is None:
        return [Fault(pointer, "invalid_app_secret", _APP_SECRET_RULE)]
    return []


def webhook_url_faults(url: str, pointer: str, own_host: str | None = None) -> list[Fault]:
    """An address that webhooks may be sent to, by its form; see `spcore.egress`. Where its name leads to is
    checked at every sending.
    """
    try:
        egress.target_of(url, own_host=own_host)
    except egress.RefusedUrl as refused:
        return [Fault(pointer, refused.code, refused.text)]
    return []


def may_move(current: str, wanted: str) -> bool:
    return TenantStatus(wanted) in MOVES[TenantStatus(current)]


def _identifier_faults(kind: type[Identifier], text: str, pointer: str, rule: Text) -> list[Fault]:
    try:
        kind(text)
    except InvalidIdentifier:
        return [Fault(pointer, "invalid_format", rule)]
    return []


def _one_of(values: type[StrEnum]) -> Text:
    words = "、".join(values)
    return Text(f"须为以下之一：{words}。", f"must be one of: {', '.join(values)}.")


_NAME = Text(
    f"须为 1–{MAX_NAME} 个字，首尾不能有空格，不能含不可见字符。",
    f"must be 1 to {MAX_NAME} characters without blanks around them and without invisible characters.",
)
_LOOKALIKE = Text(
    "含有全角字母数字或外形相近的其他文字，请改用半角字符重新输入。",
    "has full-width letters or letters of another alphabet that look alike; type it in plain characters.",
)
_MCH_ID = Text("须为 8–10 位数字（服务商或商户的商户号）。", "must be 8 to 10 digits, the merchant number.")
_APPID = Text(
    "须为 wx 加 16 位字母或数字，可在公众平台或开放平台查看。", "must be wx and 16 letters or digits."
)
_SUB_MCH_ID = Text(
    "须为 8–10 位半角数字的特约商户号，见微信支付开户邮件。",
    "must be the sub-merchant's own number of 8 to 10 digits, from WeChat Pay's mail.",
)
_OWN_NUMBER = Text(
    "特约商户号不能与服务商自身的商户号相同，请填写特约商户的商户号。",
    "must not be the provider's own number; enter the sub-merchant's.",
)
_NO_SUB_MCH_ID = Text(
    "普通商户自己收款，没有特约商户号，请删除该字段。",
    "is for service providers only; a plain merchant takes money itself. Leave it out.",
)
_OWNER = Text(
    "公众号和 App 只能绑定特约商户主体（merchant）或渠道商主体（channel）的，服务商主体只允许小程序。",
    "is not allowed for this kind: an app of the service provider's own entity must be a miniprogram;"
    " official accounts and apps belong to merchant or channel.",
)
_APP_SECRET_RULE = Text(
    "须为不含空格的可见 ASCII 字符，请在公众平台「开发设置」中生成后完整复制。",
    "must be visible ASCII characters without blanks; copy all of it from WeChat's console.",
)
NO_FREE_SLOT = Text(
    f"每个特约商户最多绑定 {MAX_BINDINGS} 个 AppID（公众号、小程序、App 合计），请先解绑一个。",
    f"cannot be bound: WeChat allows {MAX_BINDINGS} appids a sub-merchant, of all kinds together. Remove one"
    " first.",
)
