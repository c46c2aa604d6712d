"""Security headers of every answer, errors included (failure catalogue S09)."""

from __future__ import annotations

from collections.abc import Mapping

# No inline style or script anywhere (console-and-api-design section 11).
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# Swagger UI sets styles from its script; it gets them on its own page only.
DOCS_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")

_COMMON: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_YEAR_S = 365 * 24 * 3600


def security_headers(path: str, *, https: bool) -> dict[str, str]:
    """Return the headers for an answer at `path`; a handler's own headers of the same name win."""
    headers = dict(_COMMON)
    headers["content-security-policy"] = DOCS_POLICY if path == "/docs" else PAGE_POLICY
    if not path.startswith("/static/"):
        headers["cache-control"] = "no-store"
    if https:
        headers["strict-transport-security"] = f"max-age={_YEAR_S}; includeSubDomains"
    return headers
