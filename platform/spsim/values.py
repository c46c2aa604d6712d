"""Values that business rules check in several calls; a wrong one is a signed PARAM_ERROR naming the field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from .admission import Call, Declined

_OUT_TRADE_NO: Final = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
_OUT_REFUND_NO: Final = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
_FEN: Final = re.compile(r"[1-9][0-9]{0,8}")


def check_order(call: Call, choices: Mapping[str, tuple[str, ...]]) -> None:
    """Check what unifiedorder and micropay have in common; `choices` are the values a field may have."""
    if not _OUT_TRADE_NO.fullmatch(call.get("out_trade_no")):
        raise Declined("PARAM_ERROR", "out_trade_no必须为6到32位数字、字母或_-|*")
    fen(call, "total_fee")
    check_choices(call, choices)
    try:
        ip_address(call.get("spbill_create_ip"))
    except ValueError:
        raise Declined("PARAM_ERROR", "spbill_create_ip不是有效的IP地址") from None
    for name in ("detail", "scene_info"):
        check_json(call, name)


def fen(call: Call, name: str) -> int:
    """Return an amount in fen."""
    text = call.get(name)
    if not _FEN.fullmatch(text):
        raise Declined("PARAM_ERROR", f"{name}必须为大于0的整数，单位为分")
    return int(text)


def check_choices(call: Call, choices: Mapping[str, tuple[str, ...]]) -> None:
    """Check fields that take one of a few values, when they were sent."""
    for name, allowed in choices.items():
        if call.get(name) and call.get(name) not in allowed:
            raise Declined("PARAM_ERROR", f"{name}只能为{'、'.join(allowed)}")


def check_json(call: Call, name: str) -> None:
    """Check a field that holds a JSON object, when it was sent."""
    try:
        if call.get(name) and not isinstance(json.loads(call.get(name)), dict):
            raise ValueError("not an object")
    except ValueError:
        raise Declined("PARAM_ERROR", f"{name}不是有效的JSON") from None


def check_out_refund_no(call: Call) -> None:
    """Check the merchant's own refund number (wechatpay-v2 1.7)."""
    if not _OUT_REFUND_NO.fullmatch(call.get("out_refund_no")):
        raise Declined("PARAM_ERROR", "out_refund_no必须为1到64位数字、字母或_-|*@")


def check_notify_url(url: str) -> None:
    """Check an address for notifications: absolute, without a query."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character in url for character in " \t\n"):
        raise Declined("PARAM_ERROR", "notify_url必须为http或https的绝对地址")
    if "?" in url or "#" in url:
        raise Declined("PARAM_ERROR", "notify_url不能携带参数")
