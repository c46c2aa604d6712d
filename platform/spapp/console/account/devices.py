"""What browser and system a session is, in words people recognise."""

from __future__ import annotations

_BROWSERS = (
    ("MicroMessenger/", "WeChat"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
)
"""The first one that the header names; most of them also call themselves Chrome or Safari."""
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def device_of(user_agent: str) -> str | None:
    """Return such as `Chrome · Windows`; None for what names neither. It is a hint, anyone can claim it."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    return " · ".join(word for word in (browser, system) if word) or None


def is_phone(user_agent: str) -> bool:
    return "Mobile" in user_agent or "iPhone" in user_agent or "Android" in user_agent
