"""Endpoints, deliveries and attempts as templates show them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from spapp.console.frame.words import Chip, Tone
from spapp.console.frame.workplace import Notice, Rights
from spapp.web.i18n import N_
from spcore.errors import Text
from sptenants.orders.webhook_words import OUTCOMES
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.rates import Rate, Rates
from sptenants.webhooks.reader import AnswerClass, DeliveryDetail
from sptenants.webhooks.records import AttemptRecord, DeliveryRecord, EndpointRecord

ACTIVE = Chip("ok", N_("使用中"))
DISABLED = Chip("bad", N_("已停用"))
DELIVERY = {
    DeliveryState.PENDING: Chip("mute", N_("待投递")),
    DeliveryState.RETRYING: Chip("wait", N_("重试中")),
    DeliveryState.DELIVERED: Chip("ok", N_("已送达")),
    DeliveryState.FAILED: Chip("bad", N_("已放弃")),
}
ANSWER_WORDS = {
    AnswerClass.OK: N_("2xx 成功"),
    AnswerClass.REDIRECT: N_("3xx 跳转"),
    AnswerClass.CLIENT: N_("4xx 被拒绝"),
    AnswerClass.SERVER: N_("5xx 出错"),
    AnswerClass.NONE: N_("没有应答"),
}
_ARRIVED = Text("已送达", "delivered")
_CAUSES = {
    "by_hand": Text("被手动停用。", "It was disabled by hand."),
    "gone": Text(
        "它应答 410，表示不再接收事件，因此被自动停用。",
        "It answered 410, which means that it wants no more events, and was disabled for that.",
    ),
    "failing": Text(
        "连续 5 天没有一次投递成功，因此被自动停用。",
        "Not one delivery arrived for five days, so it was disabled.",
    ),
}
_GOOD, _FAIR = 99, 90


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint; `base` is the address of the endpoint list in the person's area."""

    endpoint: EndpointRecord
    tenant_name: str
    rates: Rates
    base: str
    rights: Rights
    said: Notice | None = None

    @property
    def url(self) -> str:
        return f"{self.base}/{self.endpoint.id}"

    @property
    def chip(self) -> Chip:
        return ACTIVE if self.endpoint.is_active else DISABLED

    @property
    def may_change(self) -> bool:
        return self.rights.onboard

    @property
    def cause(self) -> Text | None:
        """Why it is out of use."""
        reason = self.endpoint.disabled_reason
        return _CAUSES.get(reason) if reason and not self.endpoint.is_active else None

    @property
    def day(self) -> RateView:
        return RateView(self.rates.day, self.rates.is_cut)

    @property
    def week(self) -> RateView:
        return RateView(self.rates.week, self.rates.is_cut)


@dataclass(frozen=True, slots=True)
class RateView:
    rate: Rate
    is_cut: bool

    @property
    def text(self) -> str | None:
        percent = self.rate.percent
        return None if percent is None else f"{percent:g}%"

    @property
    def counts(self) -> str:
        """Such as `98 / 100`; a plus sign where more were sent than were counted."""
        return f"{self.rate.delivered:,} / {self.rate.tried:,}{'+' if self.is_cut else ''}"

    @property
    def tone(self) -> Tone:
        percent = self.rate.percent
        if percent is None:
            return "mute"
        return "ok" if percent >= _GOOD else "wait" if percent >= _FAIR else "bad"


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One delivery in the list of its endpoint."""

    delivery: DeliveryRecord
    endpoint_url: str

    @property
    def url(self) -> str:
        return f"{self.endpoint_url}/deliveries/{self.delivery.id}"

    @property
    def chip(self) -> Chip:
        return DELIVERY[self.delivery.state]

    @property
    def answer(self) -> Text | None:
        """What the last attempt came to; None before the first one."""
        outcome, status = self.delivery.last_outcome, self.delivery.last_http_status
        return outcome_text(outcome, status) if outcome is not None else None


@dataclass(frozen=True, slots=True)
class AttemptView:
    attempt: AttemptRecord
    event_id: str
    url: str

    @property
    def tone(self) -> Tone:
        return "ok" if self.attempt.outcome == "delivered" else "bad"

    @property
    def words(self) -> Text:
        return outcome_text(self.attempt.outcome, self.attempt.http_status)

    @property
    def request(self) -> str:
        """The head of the request. Signatures are shown nowhere (rule C6)."""
        lines = (
            f"POST {self.url}",
            "Content-Type: application/json",
            "User-Agent: wxsp-webhooks/1",
            f"webhook-id: {self.event_id}",
            f"webhook-timestamp: {math.floor(self.attempt.at.timestamp())}",
            "webhook-signature: v1,••••••",
        )
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery with everything that was tried, newest first."""

    detail: DeliveryDetail
    body: str
    base: str
    orders: str
    rights: Rights
    said: Notice | None = None

    @property
    def line(self) -> DeliveryLine:
        return DeliveryLine(self.detail.delivery, f"{self.base}/{self.detail.endpoint.id}")

    @property
    def attempts(self) -> Sequence[AttemptView]:
        event_id, url = self.detail.delivery.event_id, self.detail.endpoint.url
        return [AttemptView(one, event_id, url) for one in self.detail.tried]

    @property
    def order_url(self) -> str | None:
        """The order the event is about, if it is about one."""
        subject = self.detail.delivery.subject
        return f"{self.orders}/{subject}" if subject.startswith("ord_") else None

    @property
    def may_resend(self) -> bool:
        return self.rights.onboard and self.detail.endpoint.is_active

    @property
    def shown_body(self) -> str:
        return json.dumps(json.loads(self.body), ensure_ascii=False, indent=2)


def outcome_text(outcome: str, status: int | None) -> Text:
    """Return what came of an attempt in words, with the status that was answered."""
    words = _ARRIVED if outcome == "delivered" else OUTCOMES[outcome]
    tail = f" · HTTP {status}" if status is not None else ""
    return Text(f"{words.zh}{tail}", f"{words.en}{tail}")
