"""The notify addresses of a route key (contract section 5)."""

from __future__ import annotations

_VERSIONS = ("v2", "v3")
_KINDS = ("payment", "refund")


def notify_path(route_key: str, version: str, kind: str) -> str:
    """Return the path WeChat calls: opaque key, no query string."""
    return f"/notify/wechat/{route_key}/{version}/{kind}"


def notify_urls(public_url: str, route_key: str) -> dict[str, dict[str, str]]:
    """Return all addresses by version and kind, below `public_url` (no slash at its end)."""
    return {
        version: {kind: public_url + notify_path(route_key, version, kind) for kind in _KINDS}
        for version in _VERSIONS
    }
