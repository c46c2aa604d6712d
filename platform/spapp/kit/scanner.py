"""Looks for anything secret in what goes out to a merchant's developers (acceptance B-14, S1-24).

The kit is made of public facts; this is the second line, and the reason why a mistake ends in a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_LIKE_SECRETS = (
    ("a PEM block", re.compile(r"-----BEGIN [A-Z ]+-----")),
    ("a key or token of ours", re.compile(r"\b(?:wsk|wpk)_(?:test|live)_\w{8,}|\b(?:wst|whsec)_[\w+/]{8,}")),
    (
        "a key or AppSecret of 32 characters",
        re.compile(r"(?<![\w/+])(?=\w*[0-9])(?=\w*[A-Za-z])[0-9A-Za-z]{32}(?![\w/+])"),
    ),
    ("a notify address", re.compile(r"/notify/wechat/\w{16,}")),
)
_ORDER_NUMBER = re.compile(r"\b[0-9A-Z]{26}\b")


def like_secrets(files: Mapping[str, bytes], public: Iterable[str] = ()) -> list[str]:
    """Return `file: what` for everything that looks like a secret; `public` are values known not to be."""
    known = sorted((text for text in public if text), key=len, reverse=True)
    found: list[str] = []
    for name, content in sorted(files.items()):
        text = content.decode("utf-8")
        for value in known:
            text = text.replace(value, "")
        text = _ORDER_NUMBER.sub("", text)
        found += [f"{name}: {what}" for what, pattern in _LIKE_SECRETS if pattern.search(text)]
    return found
