"""What is measured. Never a tenant, openid or order id as a label (console-and-api-design section 12)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry(auto_describe=True)

HTTP_REQUESTS = Counter(
    "wxsp_http_requests", "Requests answered", ["method", "route", "status"], registry=REGISTRY
)
HTTP_DURATION = Histogram(
    "wxsp_http_request_duration_seconds", "Time to answer a request", ["method", "route"], registry=REGISTRY
)
WECHAT_CALLS = Counter("wxsp_wechat_calls", "Calls to WeChat", ["api", "result"], registry=REGISTRY)
WECHAT_DURATION = Histogram(
    "wxsp_wechat_call_duration_seconds", "Time of a call to WeChat", ["api"], registry=REGISTRY
)
NOTIFIES = Gauge("wxsp_notifies_total", "Notifications in the journal", ["kind", "result"], registry=REGISTRY)
KEYS_MET = Counter(
    "wxsp_notify_keys",
    "Genuine notifications by the key they were met with",
    ["kind", "retiring"],
    registry=REGISTRY,
)
NOTIFIES_REFUSED = Counter(
    "wxsp_notifies_refused", "Notifications that were not believed", ["version", "reason"], registry=REGISTRY
)
ORDERS = Gauge("wxsp_orders_total", "Orders by status", ["status"], registry=REGISTRY)
UNKNOWN_ORDERS = Gauge("wxsp_unknown_orders", "Orders whose outcome at WeChat is unknown", registry=REGISTRY)
WEBHOOK_ATTEMPTS = Counter(
    "wxsp_webhook_attempts", "Attempts to deliver an event", ["result"], registry=REGISTRY
)
WEBHOOK_DURATION = Histogram(
    "wxsp_webhook_duration_seconds", "Time a receiver took", ["result"], registry=REGISTRY
)
WEBHOOK_BACKLOG = Gauge("wxsp_webhook_backlog", "Deliveries that are not finished", registry=REGISTRY)
WEBHOOK_OVERDUE = Gauge(
    "wxsp_webhook_overdue_seconds", "How long the longest waiting delivery is overdue", registry=REGISTRY
)
OUTBOX_BACKLOG = Gauge("wxsp_outbox_backlog", "Events not handed on yet", registry=REGISTRY)
BILLS = Gauge("wxsp_bills", "Bills of the last week by state", ["state"], registry=REGISTRY)
BILL_DIFFERENCES = Gauge(
    "wxsp_bill_differences",
    "Open differences between bills and our books, ten thousand at most",
    registry=REGISTRY,
)
CLOCK_SKEW = Gauge(
    "wxsp_clock_skew_seconds", "How far our clock is ahead of WeChat's, by its last answer", registry=REGISTRY
)
OPEN_BREAKERS = Gauge(
    "wxsp_open_breakers", "Lines to WeChat that are left alone because it is down", registry=REGISTRY
)


def observe_key_met(kind: str, retiring: bool) -> None:
    """Count a genuine notification by the kind of a key it was met with (failure catalogue K01)."""
    KEYS_MET.labels(kind, "yes" if retiring else "no").inc()


def observe_refused_notification(version: str, reason: str) -> None:
    """Count a notification that was not believed; `probe` is WeChat looking whether anybody checks (N10)."""
    NOTIFIES_REFUSED.labels(version, reason).inc()


def observe_webhook(result: str, seconds: float) -> None:
    """Count one attempt to deliver an event."""
    WEBHOOK_ATTEMPTS.labels(result).inc()
    WEBHOOK_DURATION.labels(result).observe(seconds)
