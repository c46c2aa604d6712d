"""The move from platform certificates to WeChat Pay's public key, read from which keys were met (B-15).

Answers are signed with the key we ask for, notifications with what WeChat chooses: over about seven days it
moves them from the certificates to the public key (wechatpay-v3 1.6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import Literal

from spcore.errors import Text
from spcore.providers.models import KeyKind
from spcore.providers.rotation import KeyVersion
from spcore.providers.uses import Use
from sptenants.orders.sums import day_of

DAYS = 7
PUBLIC, CERTIFICATE = KeyKind.WECHATPAY_PUBLIC_KEY, KeyKind.PLATFORM_CERTIFICATE
_OF_WECHAT = (PUBLIC, CERTIFICATE)

Heard = Literal["answer", "notification"]


@dataclass(frozen=True, slots=True)
class Share:
    """How many messages of one channel were signed with a public key, and how many with a certificate."""

    public: int = 0
    certificate: int = 0

    @property
    def all(self) -> int:
        return self.public + self.certificate

    @property
    def per_10000(self) -> int | None:
        """The public key's share in hundredths of a percent; None when nothing was heard."""
        return self.public * 10_000 // self.all if self.all else None

    @property
    def is_complete(self) -> bool:
        return self.public > 0 and self.certificate == 0


@dataclass(frozen=True, slots=True)
class Span:
    """What was heard within a span of time."""

    answers: Share
    notifications: Share


@dataclass(frozen=True, slots=True)
class SerialLine:
    """One of WeChat's keys, stored or merely met, and how often it was met."""

    kind: KeyKind
    serial: str
    version: KeyVersion | None
    """As it is stored; None for one that is stored no more."""
    answers_day: int
    answers_week: int
    notifications_day: int
    notifications_week: int
    last_at: datetime | None


class Step(IntEnum):
    """Where the change-over stands, in WeChat's order (wechatpay-v3 1.6)."""

    NOTHING = 0
    LOADED = 1
    ANSWERED = 2
    MIXED = 3
    COMPLETE = 4
    RETIRED = 5


@dataclass(frozen=True, slots=True)
class Cockpit:
    day: Span
    week: Span
    days: Sequence[tuple[date, Span]]
    """The last seven Shanghai days, the latest first."""
    serials: Sequence[SerialLine]
    step: Step

    @property
    def steps(self) -> Sequence[tuple[Step, StepWords]]:
        return [(step, STEP_WORDS[step]) for step in Step if step is not Step.NOTHING]

    @property
    def words(self) -> StepWords:
        return STEP_WORDS[self.step]


def read_cockpit(uses: Iterable[Use], versions: Iterable[KeyVersion], now: datetime) -> Cockpit:
    """Put together what was met since `since(now)` with the keys that are stored."""
    met = [use for use in uses if use.kind in _OF_WECHAT and use.channel != "request"]
    stored = [version for version in versions if version.kind in _OF_WECHAT]
    day_ago, today = now - timedelta(days=1), day_of(now)
    # Uses are kept by the hour; the one in which the day began belongs to the day before.
    day = _span(use for use in met if use.hour > day_ago)
    by_day = [
        (at, _span(use for use in met if day_of(use.hour) == at))
        for at in (today - timedelta(days=back) for back in range(DAYS))
    ]
    return Cockpit(
        day=day,
        week=_span(met),
        days=by_day,
        serials=_serials(met, stored, day_ago),
        step=_step(day, stored, now),
    )


def since(now: datetime) -> datetime:
    """Return from when on uses have to be read."""
    return now - timedelta(days=DAYS)


def _span(uses: Iterable[Use]) -> Span:
    counted: Counter[tuple[str, KeyKind]] = Counter()
    for use in uses:
        counted[use.channel, use.kind] += use.uses

    def share(channel: Heard) -> Share:
        return Share(counted[channel, PUBLIC], counted[channel, CERTIFICATE])

    return Span(share("answer"), share("notification"))


def _serials(met: Sequence[Use], stored: Sequence[KeyVersion], day_ago: datetime) -> list[SerialLine]:
    latest = {(row.kind, row.label or ""): row for row in sorted(stored, key=lambda row: row.version)}
    names = {(use.kind, use.name) for use in met}
    shown = {key for key, row in latest.items() if row.state != "retired"} | names
    lines = []
    for kind, serial in sorted(shown, key=lambda key: (_OF_WECHAT.index(key[0]), key[1])):
        mine = [use for use in met if (use.kind, use.name) == (kind, serial)]

        def count(channel: Heard, *, within_day: bool, mine: Sequence[Use] = mine) -> int:
            hours = (use for use in mine if not within_day or use.hour > day_ago)
            return sum(use.uses for use in hours if use.channel == channel)

        lines.append(
            SerialLine(
                kind=kind,
                serial=serial,
                version=latest.get((kind, serial)),
                answers_day=count("answer", within_day=True),
                answers_week=count("answer", within_day=False),
                notifications_day=count("notification", within_day=True),
                notifications_week=count("notification", within_day=False),
                last_at=max((use.last_at for use in mine), default=None),
            )
        )
    return lines


def _step(day: Span, stored: Sequence[KeyVersion], now: datetime) -> Step:
    def held(kind: KeyKind, *states: str) -> bool:
        return any(row.kind is kind and row.state_at(now) in states for row in stored)

    if not held(PUBLIC, "active"):
        return Step.NOTHING
    if not held(CERTIFICATE, "active", "retiring"):
        return Step.RETIRED
    if day.answers.is_complete and day.notifications.is_complete:
        return Step.COMPLETE
    if day.notifications.public:
        return Step.MIXED
    return Step.ANSWERED if day.answers.public else Step.LOADED


@dataclass(frozen=True, slots=True)
class StepWords:
    """`reached` names a step, `there` and `here` say what to do next at WeChat and on this platform."""

    reached: Text
    there: Text
    here: Text


STEP_WORDS = {
    Step.NOTHING: StepWords(
        Text("还没有录入微信支付公钥", "No public key is entered"),
        Text(
            "在微信支付服务商平台「账户中心 → API 安全 → 微信支付公钥」申请并下载公钥，记下公钥 ID。",
            "In WeChat's provider console (account centre, API security) apply for the public key, download"
            " the PEM file and note its id.",
        ),
        Text(
            "把公钥 ID 与公钥作为候选录入，演练通过后启用；平台证书继续有效。",
            "Enter id and key as a candidate, rehearse it and put it to use; the certificates stay valid.",
        ),
    ),
    Step.LOADED: StepWords(
        Text("公钥已录入", "The public key is entered"),
        Text(
            "在微信侧「API 安全」页由管理员开启「更换微信支付公钥」的灰度；未开启前应答仍用平台证书签名。",
            "An administrator starts the change-over on WeChat's API security page; until then answers are"
            " still signed with the certificate.",
        ),
        Text(
            "无需操作：每个请求已指明公钥 ID，微信开启后应答就会改用公钥。",
            "Nothing to do: every request names the key's id, and answers follow once WeChat has begun.",
        ),
    ),
    Step.ANSWERED: StepWords(
        Text("应答已用公钥签名", "Answers are signed with the public key"),
        Text(
            "等待微信按比例放量通知：0.1%、1%、5%、10%、20%、50%、100%，约七天。",
            "Wait for WeChat to move notifications over, from 0.1 % to 100 % within about seven days.",
        ),
        Text(
            "无需操作：两种签名同时接受。应答比例低于 100% 时，等待旧连接与重试结束。",
            "Nothing to do: both kinds are taken. A share of answers below 100 % ends with open retries.",
        ),
    ),
    Step.MIXED: StepWords(
        Text("通知混合使用公钥与证书", "Notifications come with either"),
        Text(
            "继续等待放量；出现异常可在微信侧暂停或回退灰度。",
            "Keep waiting; on trouble, pause or step back on WeChat's page.",
        ),
        Text(
            "看下表：证书签名的通知应逐日减少；被拒绝的通知见「支付通知」。",
            "Watch the table: notifications by certificate dwindle day by day; refused ones are listed under"
            " notifications.",
        ),
    ),
    Step.COMPLETE: StepWords(
        Text("应答与通知全部使用公钥", "Answers and notifications use the public key alone"),
        Text(
            "微信侧两条进度都到 100% 后，点击「作废平台证书」；作废后不能恢复。",
            "Once both of WeChat's bars are at 100 %, end the certificates there; that cannot be undone.",
        ),
        Text(
            "微信侧作废之后，再在本页停用平台证书；停用后仍可恢复使用。",
            "After WeChat has ended them, retire the certificates on this page; they can be taken back.",
        ),
    ),
    Step.RETIRED: StepWords(
        Text("只使用公钥", "The public key alone is in use"),
        Text("无需操作。", "Nothing to do."),
        Text(
            "切换完成。公钥没有有效期；更换公钥时同样作为候选录入并演练。",
            "The move is done. A public key has no end; another one is entered and rehearsed the same way.",
        ),
    ),
}
