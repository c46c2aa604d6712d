"""What waits for a person, as lines that lead to where it is settled; the worst first."""

from __future__ import annotations

from dataclasses import dataclass

from spapp.console.frame.words import Tone
from spapp.console.frame.workplace import Workplace
from spcore.errors import Text
from sptenants.analytics.attention import MOST, Attention
from sptenants.anomalies.words import words_of
from sptenants.orders.disputes import AnomalyKind

_MONEY_FIRST = (
    AnomalyKind.AMOUNT_MISMATCH,
    AnomalyKind.IDENTITY_MISMATCH,
    AnomalyKind.DOUBLE_PAYMENT,
    AnomalyKind.LATE_PAYMENT,
)


@dataclass(frozen=True, slots=True)
class Todo:
    tone: Tone
    icon: str
    word: Text
    count: int
    url: str

    @property
    def shown(self) -> str:
        return str(self.count) if self.count < MOST else f"{MOST - 1}+"


def todo_list(
    place: Workplace, waiting: Attention, failing_tenants: int = 0, open_differences: int = 0
) -> tuple[Todo, ...]:
    """Return one line for each kind of thing that waits. `failing_tenants` have a failed doctor row."""
    base = place.base
    in_platform = base == "/admin"
    webhooks = "/admin/jobs" if in_platform else f"{base}/webhooks"
    certificates = "/admin/certificates" if in_platform else f"{base}/credentials"
    doctor = "/admin/tenants" if in_platform else f"{base}/doctor"
    differences = "/m/bills?state=different" if base == "/m" else f"{base}/differences"
    found: list[Todo] = [
        Todo(
            "bad",
            "alert-triangle",
            Text("待核实订单", "Orders with an unclear outcome"),
            waiting.unclear_orders,
            f"{place.orders}?status=attention&range=all",
        ),
        *(
            Todo(
                "bad",
                "alert-triangle",
                words_of(kind).title,
                waiting.anomalies.get(kind, 0),
                f"{base}/anomalies?kind={kind.value}",
            )
            for kind in sorted(AnomalyKind, key=_severity)
        ),
        Todo(
            "bad",
            "git-compare",
            Text("待处理的对账差异", "Open differences from WeChat's bills"),
            open_differences,
            differences,
        ),
        *(
            Todo(
                "bad" if gone.not_after <= place.now else "wait",
                "certificate",
                Text(f"证书到期：{gone.provider_name}", f"Certificate of {gone.provider_name}"),
                max(0, (gone.not_after - place.now).days),
                certificates,
            )
            for gone in waiting.expiring
        ),
        Todo(
            "bad",
            "stethoscope",
            Text("接入体检未通过的特约商户", "Sub-merchants with a failed check"),
            failing_tenants,
            doctor,
        ),
        Todo(
            "bad",
            "webhook",
            Text("已停用的 Webhook 端点", "Disabled webhook endpoints"),
            waiting.disabled_endpoints,
            webhooks,
        ),
        Todo(
            "wait",
            "webhook",
            Text("24 小时内失败的 Webhook 投递", "Webhook deliveries failed within a day"),
            waiting.failed_deliveries,
            webhooks,
        ),
        Todo(
            "wait",
            "building-store",
            Text("接入停滞超过 3 天的特约商户", "Sub-merchants stuck for three days"),
            waiting.stuck_tenants,
            f"{base}/tenants?status=onboarding",
        ),
    ]
    return tuple(todo for todo in found if todo.count or todo.icon == "certificate")


def _severity(kind: AnomalyKind) -> int:
    return _MONEY_FIRST.index(kind) if kind in _MONEY_FIRST else len(_MONEY_FIRST)
