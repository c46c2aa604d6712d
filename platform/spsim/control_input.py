"""Reading what a control was asked for; everything that is wrong is a ControlRefused."""

from __future__ import annotations

Document = dict[str, object]


class ControlRefused(Exception):
    """A control was asked for something it cannot do; `status` is an HTTP status."""

    def __init__(self, status: int, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail


def bad_request(detail: str) -> ControlRefused:
    """Return the refusal of a request that cannot be understood."""
    return ControlRefused(400, "BAD_REQUEST", "请求有误", detail)


def text(document: Document, name: str) -> str | None:
    """Return a text value, None when absent."""
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"{name} must be text")
    return value


def needed_text(document: Document, name: str) -> str:
    """Return a text value that must be there and not be empty."""
    value = text(document, name)
    if not value:
        raise bad_request(f"{name} is needed")
    return value


def texts(value: object) -> dict[str, str]:
    """Return an object whose values are all text, as the phone wants them."""
    if not isinstance(value, dict):
        raise bad_request("pay_params and fields must be objects")
    wrong = [str(name) for name, item in value.items() if not isinstance(item, str)]
    if wrong:
        raise bad_request(f"must be text: {', '.join(wrong)}")
    return dict(value)


def choice(document: Document, name: str, allowed: tuple[str, ...], default: str) -> str:
    """Return one of a few texts."""
    value = text(document, name) or default
    if value not in allowed:
        raise bad_request(f"{name} must be one of {', '.join(allowed)}")
    return value


def flag(document: Document, name: str, *, default: bool) -> bool:
    """Return true or false."""
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise bad_request(f"{name} must be true or false")
    return value


def amount(document: Document, name: str, *, least: int) -> int:
    """Return a whole number of fen that must be there."""
    value = document.get(name)
    if type(value) is not int or not least <= value < 1_000_000_000:
        raise bad_request(f"{name} must be a whole number of fen, at least {least}")
    return value


def count(document: Document, name: str, default: int | None) -> int | None:
    """Return a whole number, or None for null; `default` when absent."""
    value = document.get(name, default)
    if value is None or (type(value) is int and value >= 0):
        return value
    raise bad_request(f"{name} must be a whole number or null")


def seconds(document: Document, name: str, default: float) -> float:
    """Return a number of seconds, `default` when absent."""
    value = document.get(name, default)
    if isinstance(value, int | float) and is_number(value, 0):
        return value
    raise bad_request(f"{name} must be a number of seconds, at least 0")


def only(document: Document, *names: str) -> None:
    """Refuse names that the control does not know: a misspelt setting must not pass for one."""
    unknown = document.keys() - set(names)
    if unknown:
        raise bad_request(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")


def is_number(value: object, least: float) -> bool:
    """Tell whether a value is a sensible number, not below `least`."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < 1e9


def documented(description: str) -> list[dict[str, str]]:
    """Read a module's own description: a control's method and path, then its indented explanation."""
    controls: list[dict[str, str]] = []
    for line in description.splitlines():
        if " /_sim/" in line and not line.startswith(" "):
            method, path = line.split(maxsplit=1)
            if method.isupper():
                controls.append({"method": method, "path": path, "does": ""})
        elif line.startswith(" ") and controls:
            controls[-1]["does"] = f"{controls[-1]['does']} {line.strip()}".strip()
    return controls
