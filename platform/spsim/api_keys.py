"""API keys that a merchant changed at WeChat, and which of them a notification still goes out under.

A key set in the merchant's console counts at once for calls. For what was queued before, accounts differ
(catalogue K01, K02), so a tester decides by the provider's rules.
"""

from __future__ import annotations

from typing import Final

from .ledger import Ledger
from .registry import find_provider
from .v3 import rules

V2: Final = "v2"
V3: Final = "v3"


def replace(ledger: Ledger, mch_id: str, api: str, former: str | None, new: str | None, now_ms: int) -> None:
    """Note that a key was another one until now; nothing when it is the same."""
    if former is not None and former != new:
        ledger.run(
            "INSERT INTO former_key (mch_id, api, secret, replaced_at) VALUES (?, ?, ?, ?)",
            mch_id,
            api,
            former,
            now_ms,
        )


def for_notification(ledger: Ledger, mch_id: str, api: str, queued_at: int) -> str | None:
    """Return the key under which a notification queued then goes out now, None when there is none."""
    provider = find_provider(ledger, mch_id)
    if provider is None:
        return None
    rule = rules.of(ledger, mch_id)
    if rule.keep_old_key_retries if api == V2 else rule.keep_old_v3_key_retries:
        row = ledger.row(
            "SELECT secret FROM former_key WHERE mch_id = ? AND api = ? AND replaced_at >= ?"
            " ORDER BY replaced_at, id LIMIT 1",
            mch_id,
            api,
            queued_at,
        )
        if row is not None:
            return str(row["secret"])
    return provider.api_v2_key if api == V2 else provider.api_v3_key
