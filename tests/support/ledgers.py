"""The three ledgers, compared when all queues are empty (failure catalogue part 3).

(a) WeChat's own books, (b) what the platform tells each merchant and its accountants, (c) the webhooks that
merchants' servers received. Each assertion says which invariant it is.
"""

from __future__ import annotations

import base64
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.support.installation import PASSWORD
from tests.support.street import Street

_STATUS_OF = {
    "PROCESSING": "processing",
    "SUCCESS": "succeeded",
    "CHANGE": "abnormal",
    "REFUNDCLOSE": "closed",
}
_EVENT_OF = {
    "paid": "payment.succeeded",
    "closed": "order.closed",
    "failed": "order.failed",
    "revoked": "order.revoked",
}
_REFUND_EVENTS = ("succeeded", "rejected", "closed", "abnormal")
_NEVER_SENT = frozenset({"requested", "rejected"})
_PAYABLE = frozenset({"NOTPAY", "USERPAYING", "PAYERROR"})
_ORDER_OPEN = "'created', 'submitting', 'pending', 'closing'"
_REFUND_OPEN = "'submitting', 'processing', 'abnormal'"


@dataclass
class Told:
    """What one merchant can see of itself by the API."""

    orders: list[Any]
    refunds: list[Any]
    events: list[Any]
    anomalies: list[Any]
    events_of: dict[str, list[Any]]
    """By order, the oldest first."""

    @classmethod
    def of(cls, street: Street, sub_mch_id: str | None) -> Told:
        names = ("orders", "refunds", "events", "anomalies")
        orders, refunds, events, anomalies = (street.every(sub_mch_id, f"/v1/{name}") for name in names)
        events_of: defaultdict[str, list[Any]] = defaultdict(list)
        for event in sorted(events, key=lambda event: event["sequence"]):
            about = event["data"].get("order") or event["data"]
            events_of[about["id"]].append(event)
        return cls(orders, refunds, events, anomalies, events_of)


def compare(street: Street) -> None:
    """Hold the three ledgers against each other; nothing may be under way, or be payable at WeChat."""
    theirs = street.house.books()
    told = {sub_mch_id: Told.of(street, sub_mch_id) for sub_mch_id in street.house.tenants}
    _check_payments(theirs, told)
    _check_refunds(theirs, told)
    for sub_mch_id, seen in told.items():
        _check_events(seen)
        _check_heard(street, sub_mch_id, seen)
    _check_promises(street, told)
    _check_payable(street, theirs)
    _check_apart(street, theirs, told)
    _check_secrets(street, theirs)
    _check_due(street)


def compare_exports(street: Street) -> None:
    """Hold what the programs for accountants and auditors print against what merchants are told."""
    with ThreadPoolExecutor(2) as programs:
        exporting = programs.submit(street.house.ledger)
        verifying = programs.submit(street.house.ask, "audit", "verify")
        lines, verdict = exporting.result(), verifying.result()
    assert verdict["ok"] is True, "INV 8"
    exported = {line["id"]: line for line in lines}
    assert len(exported) == len(lines)
    rows = [
        row
        for sub_mch_id in street.house.tenants
        for name in ("orders", "refunds")
        for row in street.every(sub_mch_id, f"/v1/{name}")
    ]
    names = (
        "object",
        "status",
        "amount",
        "out_trade_no",
        "out_refund_no",
        "refunded_amount",
        "transaction_id",
    )
    assert exported.keys() == {row["id"] for row in rows}
    for row in rows:
        line = exported[row["id"]]
        assert {name: line[name] for name in names if name in row} == {
            name: row[name] for name in names if name in row
        }


def _check_payments(theirs: Any, told: dict[str | None, Told]) -> None:
    """INV 1 and 2: every payment is booked once, or on the work list as a second one; none is invented."""
    undone = {reversal["transaction_id"] for reversal in theirs["reversals"]}
    paid = Counter(
        (payment["transaction_id"], payment["total_fee"], payment["sub_mch_id"])
        for payment in theirs["payments"]
        if payment["transaction_id"] not in undone
    )
    booked = Counter(
        (order["transaction_id"], order["amount"], sub_mch_id)
        for sub_mch_id, seen in told.items()
        for order in seen.orders
        if order["status"] == "paid"
    )
    second = Counter(
        (anomaly["facts"]["transaction_id"], anomaly["facts"]["amount"], sub_mch_id)
        for sub_mch_id, seen in told.items()
        for anomaly in seen.anomalies
        if anomaly["kind"] == "double_payment"
    )
    assert not booked & second
    assert booked + second == paid, "INV 1, INV 2"


def _check_refunds(theirs: Any, told: dict[str | None, Told]) -> None:
    """INV 3: refunds are equal one to one, and no payment was given back more than once."""
    made = Counter(
        (refund["out_refund_no"], refund["amount"], _STATUS_OF[refund["status"]], refund["sub_mch_id"])
        for refund in theirs["refunds"]
    )
    known = Counter(
        (refund["out_refund_no"], refund["amount"], refund["status"], sub_mch_id)
        for sub_mch_id, seen in told.items()
        for refund in seen.refunds
        if refund["status"] not in _NEVER_SENT
    )
    assert known == made, "INV 3"
    given_back: Counter[str] = Counter()
    for refund in theirs["refunds"]:
        if refund["status"] != "REFUNDCLOSE":
            given_back[refund["transaction_id"]] += refund["amount"]
    paid = {payment["transaction_id"]: payment["total_fee"] for payment in theirs["payments"]}
    assert all(amount <= paid[number] for number, amount in given_back.items()), "INV 3"
    for seen in told.values():
        sums: Counter[tuple[str, str]] = Counter()
        for refund in seen.refunds:
            if refund["purpose"] == "order":
                sums[refund["order_id"], refund["status"]] += refund["amount"]
        for order in seen.orders:
            under_way = sum(sums[order["id"], status] for status in ("submitting", "processing", "abnormal"))
            assert order["refunded_amount"] == sums[order["id"], "succeeded"], "INV 3"
            assert order["refunding_amount"] == under_way + sums[order["id"], "requested"], "INV 3"


def _check_events(seen: Told) -> None:
    """INV 4: one event for every end an order or a refund came to, in a sequence without gaps."""
    for order in seen.orders:
        events = seen.events_of.get(order["id"], [])
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1)), "INV 4"
        types = Counter(event["type"] for event in events if event["data"]["object"] == "order")
        assert set(types.values()) <= {1}, "INV 4"
        if order["status"] in _EVENT_OF:
            assert types[_EVENT_OF[order["status"]]] == 1, f"INV 4: {order['status']}"
        if order["status"] != "paid":
            assert types["payment.succeeded"] == 0, "INV 2, INV 4"
    about = Counter(
        (event["data"]["id"], event["type"]) for event in seen.events if event["data"]["object"] == "refund"
    )
    assert set(about.values()) <= {1}, "INV 4"
    for refund in seen.refunds:
        if refund["status"] in _REFUND_EVENTS:
            assert about[refund["id"], f"refund.{refund['status']}"] == 1, f"INV 4: {refund}"


def _check_heard(street: Street, sub_mch_id: str | None, seen: Told) -> None:
    """INV 4: what is listed was received, the same each time, and by order of each order's events."""
    heard = [hearing for hearing in street.heard if hearing.sub_mch_id == sub_mch_id]
    listed = {event["id"]: event for event in seen.events}
    assert {hearing.event_id for hearing in heard if hearing.status == 204} == listed.keys(), "INV 4"
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    first: list[str] = []
    for hearing in heard:
        bodies[hearing.event_id].add(hearing.body)
        if hearing.event_id not in first:
            first.append(hearing.event_id)
        event = listed[hearing.event_id]
        said = {name: hearing.document[name] for name in ("id", "type", "sequence", "data")}
        assert said == {name: event[name] for name in said}, "INV 4"
    assert all(len(sent) == 1 for sent in bodies.values()), "INV 4"
    place = {event_id: number for number, event_id in enumerate(first)}
    for events in seen.events_of.values():
        order_of_arrival = [place[event["id"]] for event in events]
        assert order_of_arrival == sorted(order_of_arrival), "INV 4: first deliveries out of order"


def _check_promises(street: Street, told: dict[str | None, Told]) -> None:
    """INV 5: what was answered with 2xx once is still there, under its number and with its amount."""
    kept = {row["id"]: row for seen in told.values() for row in (*seen.orders, *seen.refunds)}
    attempts = {
        number: (order_id, amount)
        for number, order_id, amount in street.witness.rows(
            "SELECT out_trade_no, order_id, amount FROM order_attempts"
        )
    }
    assert street.promised
    for said in street.promised:
        row = kept[said["id"]]
        if said["object"] == "refund":
            names = ("order_id", "merchant_refund_no", "out_refund_no", "amount")
            assert {name: row[name] for name in names} == {name: said[name] for name in names}, "INV 5"
        else:
            assert row["merchant_order_no"] == said["merchant_order_no"], "INV 5"
            if said["out_trade_no"] is not None:
                assert attempts[said["out_trade_no"]] == (said["id"], said["amount"]), "INV 5"


def _check_payable(street: Street, theirs: Any) -> None:
    """INV 6: WeChat has no order that we do not know, and none that is over here can be paid there."""
    order_of = dict(street.witness.rows("SELECT out_trade_no, order_id FROM order_attempts"))
    assert {order["out_trade_no"] for order in theirs["orders"]} <= order_of.keys(), "INV 6"
    now = street.clock.now().isoformat(timespec="milliseconds")
    payable = Counter(
        order_of[order["out_trade_no"]]
        for order in theirs["orders"]
        if order["trade_state"] in _PAYABLE and order["expires_at"] > now
    )
    assert payable == Counter(), "INV 6"


def _check_apart(street: Street, theirs: Any, told: dict[str | None, Told]) -> None:
    """INV 7: nothing that names a merchant's business ever went to another one."""
    names: dict[str | None, set[str]] = {}
    for sub_mch_id, seen in told.items():
        tenant = street.house.tenants[sub_mch_id]
        own = {tenant.id, tenant.key, str(tenant.webhook_secret), *([sub_mch_id] if sub_mch_id else ())}
        for row in (*seen.orders, *seen.refunds, *seen.events, *seen.anomalies):
            own |= {row["id"]}
            for name in ("out_trade_no", "transaction_id", "merchant_order_no", "out_refund_no", "refund_id"):
                own |= {row[name]} if row.get(name) else set()
        own |= {order["out_trade_no"] for order in theirs["orders"] if order["sub_mch_id"] == sub_mch_id}
        names[sub_mch_id] = own
    for sub_mch_id in told:
        words = street.words_told_to(sub_mch_id)
        assert not names[sub_mch_id] or words
        for other, own in names.items():
            if other != sub_mch_id:
                assert not words & own, f"INV 7: {sub_mch_id} was told of {other}"


def _check_secrets(street: Street, theirs: Any) -> None:
    """INV 9: no secret is in a log, in what anybody was told, or readable in the database."""
    logged = street.log.read_text(encoding="utf-8")
    assert '"request.done"' in logged
    payers = {payment[name] for payment in theirs["payments"] for name in ("openid", "sub_openid")}
    for word in (*street.codes, *(payer for payer in payers if payer)):
        assert word not in logged, "INV 9"
    written = "".join(program.output() for program in street.house.programs) + logged
    written += " ".join(word.decode() for words in street.told.values() for word in words)
    written += street.witness.dump()
    for secret in secrets_of(street):
        raw = secret.encode()
        for form in (secret, raw.hex(), base64.b64encode(raw).decode()):
            assert form not in written, "INV 9"


def secrets_of(street: Street) -> Iterable[str]:
    """Return everything that the platform was given to keep."""
    house = street.house
    yield from (PASSWORD, house.env["WXSP_MASTER_KEY"], *house.provider_keys.values())
    for tenant in house.tenants.values():
        yield tenant.key
        yield str(tenant.webhook_secret)
        yield re.sub("^whsec_", "", str(tenant.webhook_secret))
    for provider in house.document["providers"]:
        yield provider["api_v2_key"]
        yield provider["client_key_pem"].splitlines()[5]
        for tenant in provider["tenants"]:
            yield from (binding["app_secret"] for binding in tenant["bindings"] if "app_secret" in binding)


def _check_due(street: Street) -> None:
    """INV 10: whatever is not finished has its next time."""
    rows = street.witness.rows
    assert rows(f"SELECT id FROM orders WHERE status IN ({_ORDER_OPEN}) AND next_check_at IS NULL") == [], (
        "INV 10"
    )
    assert rows(f"SELECT id FROM refunds WHERE status IN ({_REFUND_OPEN}) AND next_check_at IS NULL") == [], (
        "INV 10"
    )
    assert (
        rows("SELECT id FROM deliveries WHERE state IN ('pending', 'retrying') AND due_at IS NULL") == []
    ), "INV 10"
