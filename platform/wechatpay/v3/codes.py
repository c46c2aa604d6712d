"""Codes of API v3 in the spelling that the port promises, which is v2's.

WeChat writes several of them in two ways, and features decide by some; the record of a call keeps WeChat's
own (wechatpay-v3 1.9, 2.7, 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        "ORDER_NOT_EXIST": "ORDERNOTEXIST",
        "ORDER_PAID": "ORDERPAID",
        "ORDER_CLOSED": "ORDERCLOSED",
        "NOT_ENOUGH": "NOTENOUGH",
        "NO_AUTH": "NOAUTH",
        "SIGN_ERROR": "SIGNERROR",
        "SYSTEM_ERROR": "SYSTEMERROR",
        "BANK_ERROR": "BANKERROR",
        "BIZ_ERR_NEED_RETRY": "BIZERR_NEED_RETRY",
        "RULE_LIMIT": "RULELIMIT",
        "MCH_NOT_EXISTS": "MCHID_NOT_EXIST",
        "RATELIMIT_EXCEEDED": "FREQUENCY_LIMITED",
        "RATELIMIT_EXCEED": "FREQUENCY_LIMITED",
        "FREQUENCY_LIMIT_EXCEED": "FREQUENCY_LIMITED",
    }
)
# "No such thing" is about another thing in each operation.
_ABSENT: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("v3.query", "RESOURCE_NOT_EXISTS"): "ORDERNOTEXIST",
        ("v3.close", "RESOURCE_NOT_EXISTS"): "ORDERNOTEXIST",
        ("v3.refund", "RESOURCE_NOT_EXISTS"): "ORDERNOTEXIST",
        ("v3.refund_query", "RESOURCE_NOT_EXISTS"): "REFUNDNOTEXIST",
    }
)


def port_code(operation: str, code: str) -> str:
    """Return the code as features know it."""
    return _ABSENT.get((operation, code)) or _SPELLINGS.get(code, code)
