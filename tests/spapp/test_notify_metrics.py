"""What is measured of notifications: which kind of key, and why one was not believed (K01, N10)."""

from __future__ import annotations

from spapp.web import metrics


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"{name}_total", labels) or 0.0


def test_N10_a_probe_counts_as_one() -> None:
    before = value("wxsp_notifies_refused", version="v3", reason="probe")
    metrics.observe_refused_notification("v3", "probe")
    assert value("wxsp_notifies_refused", version="v3", reason="probe") == before + 1


def test_K01_keys_are_counted_by_kind_and_by_whether_they_are_retiring() -> None:
    before = value("wxsp_notify_keys", kind="api_v3_key", retiring="yes")
    metrics.observe_key_met("api_v3_key", retiring=True)
    assert value("wxsp_notify_keys", kind="api_v3_key", retiring="yes") == before + 1
