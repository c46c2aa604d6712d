"""Which text WeChat can carry."""

from __future__ import annotations

import re

# Control characters (line ends would be signed differently by the two sides), surrogates and
# noncharacters (not XML), and anything beyond three bytes of UTF-8, such as emoji.
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U00010000-\U0010ffff]")


def is_sendable(text: str) -> bool:
    """Whether every character may go into a message. Source: wechatpay-v2 1.1 and 1.2."""
    return _UNSENDABLE.search(text) is None
