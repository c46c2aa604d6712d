"""What the journal and one notification show. Nothing secret gets here: values are masked first (C6 a)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from spapp.console.frame.words import Chip
from spapp.console.frame.workplace import Notice, Rights, Workplace
from spapp.console.notifies.words import KIND, RESULT, meaning_of, reason_text
from spapp.web.i18n import N_
from spcore.errors import Text
from sptenants.notify.contents import Fields, fields_of
from sptenants.notify.journal import SERIAL_HEADER as _SERIAL_HEADER
from sptenants.notify.records import NotificationRecord, NotificationRow
from sptenants.notify.replay import Preview
from sptenants.orders.refund_words import REFUND_STATUS_WORDS
from sptenants.orders.states import OrderStatus
from sptenants.orders.timeline import STATUS_WORDS
from sptenants.refunds.states import RefundStatus
from wechatpay.masking import mask_document, mask_fields, mask_serial, mask_value
from wechatpay.v2 import envelope

SHOWN_BODY = 4_000
"""Characters of a body that are shown when it cannot be read as fields."""

EFFECT = {
    "none": Notice("info", Text("重新处理不会改变任何东西。", "A replay would change nothing.")),
    "pays": Notice("ok", Text("重新处理会把订单改为支付成功。", "A replay would make the order paid.")),
    "settles": Notice(
        "ok",
        Text(
            "这条通知由微信签名，重新处理会按它更新退款。",
            "WeChat signed it: a replay would bring the refund to the state it tells of.",
        ),
    ),
    "flags": Notice(
        "wait",
        Text(
            "重新处理不会改变订单状态，会在需处理列表留下一条记录。",
            "A replay would leave the order as it is and put it on the work list.",
        ),
    ),
    "asks": Notice(
        "info",
        Text(
            "重新处理会先查询微信，以查询结果为准；通知内容本身不改变任何东西。",
            "A replay would ask WeChat, whose answer decides; the message alone changes nothing.",
        ),
    ),
    "adopts": Notice(
        "wait",
        Text(
            "本平台没有这笔订单。重新处理会先查询微信，确认是本商户的收款后补录订单。",
            "There is no such order here. A replay would ask WeChat and, if it is a payment of this"
            " sub-merchant, rebuild the order.",
        ),
    ),
    "refused": Notice(
        "bad",
        Text(
            "按现在的密钥验签不通过，不能重新处理。",
            "Its signature is not right under the present keys: it cannot be replayed.",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class NotifyLine:
    """One line of the list."""

    row: NotificationRow
    url: str
    order_url: str | None

    @classmethod
    def of(cls, row: NotificationRow, place: Workplace) -> NotifyLine:
        order_url = f"{place.orders}/{row.order_id}" if row.order_id else None
        return cls(row, f"{place.base}/notifies/{row.id}", order_url)

    @property
    def chip(self) -> Chip:
        return RESULT[self.row.result]

    @property
    def kind_word(self) -> str:
        return KIND.get(self.row.kind, N_("其他通知"))

    @property
    def verified(self) -> bool:
        """Whether it was found genuine; by v2 the journal keeps the version of the key that fitted."""
        by_key = self.row.version == "v3" or self.row.key_version is not None
        return by_key and self.row.result != "rejected"

    @property
    def serial(self) -> str | None:
        """Which of WeChat's keys it says it is signed with; anybody may have written it."""
        return mask_serial(self.row.serial) if self.row.serial else None

    @property
    def verify_chip(self) -> Chip:
        return Chip("ok", N_("通过")) if self.verified else Chip("bad", N_("未通过"))

    @property
    def meaning(self) -> Text:
        return meaning_of(self.row.result)

    @property
    def reason(self) -> Text | None:
        return reason_text(self.row.reason)


@dataclass(frozen=True, slots=True)
class PreviewView:
    """What a replay would do now."""

    preview: Preview
    kind: str

    @property
    def effect(self) -> Notice:
        return EFFECT[self.preview.effect]

    @property
    def chip(self) -> Chip:
        return RESULT[self.preview.result]

    @property
    def reason(self) -> Text | None:
        return reason_text(self.preview.reason)

    @property
    def before(self) -> Text | None:
        return self._state(self.preview.before)

    @property
    def after(self) -> Text | None:
        return self._state(self.preview.after)

    @property
    def may_apply(self) -> bool:
        """Whether pressing the second button can have any effect."""
        return self.preview.effect not in ("none", "refused")

    def _state(self, state: str | None) -> Text | None:
        if state is None:
            return None
        if self.kind == "refund":
            known = {each.value: REFUND_STATUS_WORDS[each] for each in RefundStatus}
            known |= _TOLD_OF_REFUND
            return known.get(state, Text(state, state))
        return STATUS_WORDS[OrderStatus(state)]


_TOLD_OF_REFUND = {
    "success": Text("退款成功", "succeeded"),
    "change": Text("退款异常", "abnormal"),
    "refundclose": Text("退款关闭", "closed"),
}


@dataclass(frozen=True)
class NotifyView:
    """One notification as `notifies/detail.html` shows it. Its values are masked here, once."""

    place: Workplace
    record: NotificationRecord
    said: Notice | None = None
    preview: PreviewView | None = None
    reason: str = ""
    """What was typed into the form that was refused."""
    inside: Fields | None = None
    """What was encrypted in a message of API v3; None where nobody may see it or no key opens it."""

    @property
    def rights(self) -> Rights:
        return self.place.rights

    @property
    def row(self) -> NotificationRow:
        return self.record.row

    @property
    def line(self) -> NotifyLine:
        return NotifyLine.of(self.record.row, self.place)

    @property
    def url(self) -> str:
        return self.line.url

    @property
    def may_replay(self) -> bool:
        return self.rights.onboard and self.record.is_replayable

    @property
    def may_export(self) -> bool:
        return self.rights.sync

    @property
    def asks_code(self) -> bool:
        return self.place.staff.has_second_factor

    @cached_property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The fields of the body in their order; none when it cannot be read."""
        if self.row.version == "v3":
            return _masked(fields_of(self.record.body) or ())
        try:
            values = envelope.parse(self.record.body)
        except envelope.MalformedXml:
            return ()
        return mask_fields(values.items())

    @cached_property
    def content(self) -> tuple[tuple[str, str], ...]:
        """What was encrypted, as it may be shown."""
        return _masked(self.inside or ())

    @property
    def event_id(self) -> str | None:
        """WeChat's own name of a message of API v3, which its repetitions keep."""
        return dict(self.fields).get("id") if self.row.version == "v3" else None

    @cached_property
    def text(self) -> str:
        """The body as text, for what cannot be read as fields."""
        return mask_document(self.record.body.decode("utf-8", errors="replace"))[:SHOWN_BODY].replace(
            "\0", "�"
        )

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, value if name == _SERIAL_HEADER else mask_value(name.removeprefix("wechatpay-"), value))
            for name, value in sorted((dict(self.record.headers) | self._serial).items())
        )

    @property
    def _serial(self) -> dict[str, str]:
        return {_SERIAL_HEADER: self.line.serial} if self.line.serial else {}


def _masked(fields: Fields) -> tuple[tuple[str, str], ...]:
    """Mask each field by the last part of its dotted name."""
    return tuple((name, mask_value(name.rpartition(".")[2], value)) for name, value in fields)
