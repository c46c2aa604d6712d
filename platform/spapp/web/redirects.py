"""Going back to where a person came from, and nowhere else (failure catalogue S08)."""

from __future__ import annotations

import re

# One slash, then a plain character: `//evil`, `/\evil`, `/%2fevil` and tab tricks all name another host to
# one browser or another.
_OWN_PATH = re.compile(r"/(?:[0-9A-Za-z][0-9A-Za-z_\-./]*(?:\?[0-9A-Za-z_\-./=&%+:,~]*)?)?")


def own_path(text: str | None, default: str) -> str:
    """Return `text` when it is a path of this site, else `default`."""
    if text is None or len(text) > 2000 or _OWN_PATH.fullmatch(text) is None:
        return default
    return text
