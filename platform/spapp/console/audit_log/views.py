"""One act as the audit pages show it: who, what, which object, and what became different."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spapp.console.frame.words import ACTION, ACTOR
from spapp.console.frame.workplace import Workplace
from spapp.web.i18n import N_
from spcore.audit.reader import AuditRecord
from spcore.redaction import HIDDEN

OBJECT = {
    "anomaly": N_("需处理事项"),
    "api_key": N_("API 密钥"),
    "app_binding": N_("AppID 绑定"),
    "audit_log": N_("操作日志"),
    "binding": N_("AppID 绑定"),
    "invitation": N_("邀请"),
    "order": N_("支付订单"),
    "page": N_("页面"),
    "person": N_("成员"),
    "price": N_("商品价目"),
    "provider": N_("服务商"),
    "refund": N_("退款"),
    "service_provider": N_("服务商"),
    "tenant": N_("特约商户"),
    "webhook_endpoint": N_("Webhook 端点"),
}
"""Kinds of objects in words; a kind without one is shown by its code."""

_CONSOLE_PAGES = {
    "anomaly": "/console/anomalies/",
    "order": "/console/orders/",
    "refund": "/console/refunds/",
    "tenant": "/console/tenants/",
}
_ADMIN_PAGES = {
    "anomaly": "/admin/anomalies/",
    "order": "/admin/transactions/",
    "person": "/admin/users/",
}
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One field; None where it did not exist. `hidden`: the values are secret and were never kept."""

    name: str
    before: str | None
    after: str | None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class ActView:
    place: Workplace
    act: AuditRecord
    base: str
    tenant_name: str | None = None

    @property
    def url(self) -> str:
        return f"{self.base}/{self.act.id}"

    @property
    def action_word(self) -> str:
        return ACTION.get(self.act.action, self.act.action)

    @property
    def actor_word(self) -> str:
        return ACTOR.get(self.act.actor_kind, self.act.actor_kind)

    @property
    def object_word(self) -> str:
        return OBJECT.get(self.act.object_kind, self.act.object_kind)

    @property
    def object_url(self) -> str | None:
        pages = _ADMIN_PAGES if self.place.rights.sees_provider else _CONSOLE_PAGES
        page = pages.get(self.act.object_kind)
        return f"{page}{self.act.object_id}" if page and self.act.object_id else None

    @property
    def changes(self) -> tuple[Change, ...]:
        old, new = _flat(self.act.before), _flat(self.act.after)
        return tuple(
            Change(name, old.get(name), new.get(name), hidden=HIDDEN in (old.get(name), new.get(name)))
            for name in dict.fromkeys([*old, *new])
        )

    @property
    def summary(self) -> str:
        """What became different, in one line of the list."""
        parts = []
        for change in self.changes[:_LISTED]:
            if change.hidden:
                parts.append(f"{change.name} ••••")
            elif change.before is not None and change.after is not None:
                parts.append(f"{change.name}: {change.before} → {change.after}")
            else:
                parts.append(f"{change.name}: {change.before if change.after is None else change.after}")
        return " · ".join(parts) + (" …" if len(self.changes) > _LISTED else "")


def _flat(values: Mapping[str, Any] | None, under: str = "") -> dict[str, str]:
    """Return every value by its dotted name, as text."""
    flat: dict[str, str] = {}
    for name, value in (values or {}).items():
        full = f"{under}{name}"
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{full}.")
        else:
            flat[full] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return flat
