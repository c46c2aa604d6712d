"""Faults on order: what may go wrong on a path, and how often (wechatpay-v2 11.4; failure catalogue G, Z, B).

A fault is used up oldest first, one a call, `times` times (default 1; `stop` holds until it is cleared).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from .fields import (
    AUTHCODETOOPENID,
    CLOSEORDER,
    DOWNLOADBILL,
    DOWNLOADFUNDFLOW,
    MICROPAY,
    ORDERQUERY,
    REFUND,
    REFUNDQUERY,
    REVERSE,
    UNIFIEDORDER,
)
from .ledger import Ledger
from .v3 import paths

NOTIFY: Final = "notify"
NOTIFY_REFUND: Final = "notify_refund"
NOTIFY_ECHO: Final = "notify_echo"
LOGIN: Final = "/sns/jscode2session"
HELD: Final = "stop"

_Params = dict[str, type]
_TRANSPORT_KINDS: Final[dict[str, _Params]] = {
    "delay": {"ms": int, "when": str},
    "drop_answer_after_effect": {},
    "drop_before_effect": {},
    "error_without_effect": {"err_code": str},
    "http_502_html": {"with_effect": bool},
    "empty_body": {},
    "oversized_body": {"bytes": int},
    "redirect": {"location": str},
    "slow_drip": {"interval_ms": int},
    "frequency_limited": {},
    HELD: {},
}
_GATEWAY_KINDS: Final[dict[str, _Params]] = {
    **_TRANSPORT_KINDS,
    "error_with_effect": {"err_code": str},
    "wrong_answer_signature": {},
    "missing_answer_signature": {},
    "echo_other_order": {},
}
_V3_KINDS: Final[dict[str, _Params]] = {
    **_GATEWAY_KINDS,
    "error_without_effect": {"err_code": str, "status": int},
    "error_with_effect": {"err_code": str, "status": int},
    "signature_probe": {},
    "unknown_serial": {},
    "stale_timestamp": {"seconds": int},
    "http_429": {"with_effect": bool},
    "http_500": {"with_effect": bool},
}
_V3_PREPAY_KINDS: Final[dict[str, _Params]] = {**_V3_KINDS, "pay_before_answer": {"ms": int}}
_BILL_KINDS: Final[dict[str, _Params]] = {**_TRANSPORT_KINDS, "error_with_effect": {"err_code": str}}
_V3_FILE_KINDS: Final[dict[str, _Params]] = {
    **_TRANSPORT_KINDS,
    "error_without_effect": {"err_code": str, "status": int},
    "error_with_effect": {"err_code": str, "status": int},
    "http_429": {"with_effect": bool},
    "http_500": {"with_effect": bool},
}
"""Bills carry no signature that could be wrong; what is wrong with a file, `POST /_sim/bills` says."""
_EVERY_NOTIFY_KINDS: Final[dict[str, _Params]] = {
    "duplicate": {"n": int},
    "replay": {"n": int, "after_ms": int},
    "lose": {},
    "reorder": {"max_wait_ms": int},
    "delay": {"ms": int},
    "wrong_signature": {},
    "missing_signature": {},
    "signature_probe": {"text": str},
    "unknown_serial": {"serial": str},
    "other_provider_key": {"mch_id": str},
    "stale_timestamp": {"seconds": int},
    "reserialised": {},
    "missing_header": {"name": str},
    "empty_associated_data": {"absent": bool},
    "other_v3_key": {},
    HELD: {},
}
"""The kinds from `signature_probe` to `other_v3_key` are of v3: they leave a notification of v2 as it is."""
_NOTIFY_KINDS: Final[dict[str, _Params]] = {
    **_EVERY_NOTIFY_KINDS,
    "wrong_amount": {"total_fee": int},
    "other_tenant": {"sub_mch_id": str},
    "extra_field": {"name": str, "value": str},
    "empty_field": {"name": str},
    "set_fields": {"fields": dict},
}
_NOTIFY_REFUND_KINDS: Final[dict[str, _Params]] = {
    **_NOTIFY_KINDS,
    "wrong_amount": {"refund_fee": int},
    "spliced": {},
}
KINDS: Final[dict[str, dict[str, _Params]]] = {
    UNIFIEDORDER.path: {**_GATEWAY_KINDS, "pay_before_answer": {"ms": int}},
    ORDERQUERY.path: _GATEWAY_KINDS,
    CLOSEORDER.path: _GATEWAY_KINDS,
    MICROPAY.path: _GATEWAY_KINDS,
    REVERSE.path: {**_GATEWAY_KINDS, "recall": {"with_effect": bool}},
    AUTHCODETOOPENID.path: _GATEWAY_KINDS,
    REFUND.path: {**_GATEWAY_KINDS, "settle_before_answer": {"ms": int}},
    REFUNDQUERY.path: _GATEWAY_KINDS,
    DOWNLOADBILL.path: _BILL_KINDS,
    DOWNLOADFUNDFLOW.path: _BILL_KINDS,
    **dict.fromkeys(paths.EVERY, _V3_KINDS),
    **dict.fromkeys(paths.EVERY_PREPAY, _V3_PREPAY_KINDS),
    paths.REFUNDS: {**_V3_KINDS, "settle_before_answer": {"ms": int}},
    paths.BILL_FILE: _V3_FILE_KINDS,
    LOGIN: _TRANSPORT_KINDS,
    NOTIFY: _NOTIFY_KINDS,
    NOTIFY_REFUND: _NOTIFY_REFUND_KINDS,
    NOTIFY_ECHO: _EVERY_NOTIFY_KINDS,
}
"""Which kinds a path has, and the parameters of each."""


class BadFault(ValueError):
    """The fault asked for does not exist, or not with these parameters."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `times` None means until cleared."""

    id: int
    path: str
    kind: str
    times: int | None
    params: dict[str, object]

    def number(self, name: str, default: int) -> int:
        """Return an integer parameter."""
        value = self.params.get(name)
        return value if isinstance(value, int) else default

    def text(self, name: str, default: str) -> str:
        """Return a text parameter."""
        value = self.params.get(name)
        return value if isinstance(value, str) else default

    def flag(self, name: str) -> bool:
        """Return a boolean parameter, False when not given."""
        return self.params.get(name) is True

    def changed_values(self) -> dict[str, object]:
        """Return the fields that `extra_field`, `empty_field` and `set_fields` put into a notification."""
        if self.kind == "extra_field":
            return {self.text("name", "future_field"): self.text("value", "1")}
        if self.kind == "empty_field":
            return {self.text("name", "device_info"): ""}
        fields = self.params.get("fields")
        if self.kind == "set_fields" and isinstance(fields, dict):
            return {str(name): value for name, value in fields.items()}
        return {}

    def changed_fields(self) -> dict[str, str]:
        """Return the same as v2 has them: texts."""
        return {name: str(value) for name, value in self.changed_values().items()}

    def describe(self) -> dict[str, object]:
        """Return the fault as `GET /_sim/faults` shows it."""
        return {"id": self.id, "path": self.path, "kind": self.kind, "times": self.times, **self.params}


class Faults:
    """The faults that are on order, kept in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, document: dict[str, object]) -> Fault:
        """Order a fault; raises BadFault naming what is wrong."""
        path, kind = document.get("path"), document.get("kind")
        kinds = KINDS.get(str(path))
        if not isinstance(path, str) or kinds is None:
            raise BadFault(f"path must be one of {', '.join(KINDS)}")
        if not isinstance(kind, str) or kind not in kinds:
            raise BadFault(f"kind must be one of {', '.join(kinds)} for {path}")
        times = document.get("times", None if kind == HELD else 1)
        if times is not None and (type(times) is not int or times < 1):
            raise BadFault("times must be a whole number, at least 1")
        params = {name: value for name, value in document.items() if name not in {"path", "kind", "times"}}
        for name, value in params.items():
            if name not in kinds[kind]:
                raise BadFault(f"{kind} has no parameter {name}; it has: {', '.join(kinds[kind]) or 'none'}")
            if type(value) is not kinds[kind][name]:
                raise BadFault(f"{name} must be of type {kinds[kind][name].__name__}")
        fault_id = self._ledger.insert(
            "INSERT INTO fault (path, kind, times, params) VALUES (?, ?, ?, ?)",
            path,
            kind,
            times,
            json.dumps(params),
        )
        return Fault(fault_id, path, kind, times, params)

    def active(self) -> list[Fault]:
        """Return the faults that are still on order, oldest first."""
        rows = self._ledger.rows("SELECT * FROM fault WHERE times IS NULL OR times > 0 ORDER BY id")
        return [Fault(**{**dict(row), "params": json.loads(row["params"])}) for row in rows]

    def holds(self, path: str) -> bool:
        """Tell whether a `stop` is the path's next fault, without using it up."""
        faults = [fault for fault in self.active() if fault.path == path]
        return bool(faults) and faults[0].kind == HELD

    def take(self, path: str) -> Fault | None:
        """Use up one occurrence of the path's oldest fault and return it."""
        for fault in self.active():
            if fault.path == path:
                self._ledger.run(
                    "UPDATE fault SET times = times - 1 WHERE id = ? AND times IS NOT NULL", fault.id
                )
                return fault
        return None

    def clear(self) -> None:
        """Forget every fault."""
        self._ledger.run("DELETE FROM fault")
