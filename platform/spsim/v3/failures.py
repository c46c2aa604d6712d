"""What API v3 answers when it does not do what it was asked for: status, code, message, detail (1.8, 1.9)."""

from __future__ import annotations

from typing import Final

Detail = dict[str, object]

BODY: Final = "body"
QUERY: Final = "query"
URL: Final = "url"
AUTHORIZATION: Final = "authorization"


class Failed(Exception):
    """A call fails with an unsigned 4xx or 5xx; `log` stays in our log."""

    def __init__(
        self, status: int, code: str, message: str, detail: Detail | None = None, log: str = ""
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.log = log

    def document(self) -> Detail:
        """Return the error body."""
        body: Detail = {"code": self.code, "message": self.message}
        return body if self.detail is None else body | {"detail": self.detail}


def wrong_parameter(field: str, value: object, issue: str, location: str = BODY) -> Failed:
    """Return the refusal of one value: `field` is a JSON pointer in a body, a name elsewhere."""
    detail: Detail = {"field": field, "value": value, "issue": issue, "location": location}
    return Failed(
        400, "PARAM_ERROR", f"参数错误：{field} {issue}", detail, log=f"{location} {field}: {issue}"
    )


def against_the_rules(message: str) -> Failed:
    """Return the refusal of a call that is well-formed but not allowed as it stands."""
    return Failed(400, "INVALID_REQUEST", message)


def no_permission(message: str) -> Failed:
    """Return the refusal of what the merchant may not do."""
    return Failed(403, "NO_AUTH", message)
