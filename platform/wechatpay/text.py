"""Which text and which addresses WeChat can carry."""

from __future__ import annotations

import re

from wechatpay.errors import InvalidRequest

MAX_NOTIFY_URL_BYTES = 256

# Control characters (line ends would be signed differently by the two sides), surrogates and
# noncharacters (not XML), and anything beyond three bytes of UTF-8, such as emoji.
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U00010000-\U0010ffff]")
# No query, no fragment, and nothing a string to sign could be split at.
_ADDRESS = re.compile(r"https?://[!-~]+")
_NOT_IN_ADDRESS = re.compile(r"[?#&=<>\"]")


def is_sendable(text: str) -> bool:
    """Whether every character may go into a message. Source: wechatpay-v2 1.1 and 1.2."""
    return _UNSENDABLE.search(text) is None


def is_plain_address(url: str) -> bool:
    """Whether this is an absolute http(s) address without query, at most 256 bytes (wechatpay-v2 2.2)."""
    return (
        _ADDRESS.fullmatch(url) is not None
        and _NOT_IN_ADDRESS.search(url) is None
        and len(url) <= MAX_NOTIFY_URL_BYTES
    )


def check_notify_url(url: str) -> None:
    """Raises InvalidRequest for an address that WeChat would not notify."""
    if not is_plain_address(url):
        raise InvalidRequest(
            "notify_url",
            "必须是不带参数的完整 http(s) 地址，不超过 256 字节",
            "must be an absolute http(s) address without query, at most 256 bytes",
        )
