"""B-15: where the move to WeChat's public key stands, from which keys were met and which are stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from spapp.console.credentials.cockpit import STEP_WORDS, Cockpit, Share, Step, read_cockpit, since
from spcore.providers.models import KeyKind
from spcore.providers.rotation import KeyVersion
from spcore.providers.uses import Channel, Use

NOW = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)
PUBLIC, CERTIFICATE = KeyKind.WECHATPAY_PUBLIC_KEY, KeyKind.PLATFORM_CERTIFICATE
ID, SERIAL = "PUB_KEY_ID_1", "5AC10F2E"


def use(channel: Channel, kind: KeyKind, uses: int, hours_ago: int = 1) -> Use:
    hour = NOW.replace(minute=0) - timedelta(hours=hours_ago)
    return Use(channel, kind, ID if kind is PUBLIC else SERIAL, hour, uses, hour + timedelta(minutes=5))


def key(kind: KeyKind, state: str = "active", until: datetime | None = None) -> KeyVersion:
    label = ID if kind is PUBLIC else SERIAL
    return KeyVersion(kind, 1, state, "0" * 16, None, label, None, until, NOW)


def cockpit(uses: list[Use], *stored: KeyVersion) -> Cockpit:
    return read_cockpit(uses, stored, NOW)


BOTH = (key(PUBLIC), key(CERTIFICATE))
ALL_PUBLIC = [use("answer", PUBLIC, 9), use("notification", PUBLIC, 4)]


@pytest.mark.parametrize(
    ("uses", "stored", "step"),
    [
        ([], (), Step.NOTHING),
        ([], (key(CERTIFICATE),), Step.NOTHING),
        ([], (key(PUBLIC, "candidate"), key(CERTIFICATE)), Step.NOTHING),
        ([use("answer", CERTIFICATE, 5)], BOTH, Step.LOADED),
        ([use("answer", PUBLIC, 5), use("notification", CERTIFICATE, 5)], BOTH, Step.ANSWERED),
        ([use("answer", PUBLIC, 5, 30), use("answer", CERTIFICATE, 1)], BOTH, Step.LOADED),
        ([*ALL_PUBLIC, use("notification", CERTIFICATE, 1)], BOTH, Step.MIXED),
        ([*ALL_PUBLIC, use("answer", CERTIFICATE, 1)], BOTH, Step.MIXED),
        (ALL_PUBLIC, BOTH, Step.COMPLETE),
        ([*ALL_PUBLIC, use("notification", CERTIFICATE, 7, 30)], BOTH, Step.COMPLETE),
        (ALL_PUBLIC, (key(PUBLIC), key(CERTIFICATE, "retiring", NOW + timedelta(hours=1))), Step.COMPLETE),
        (ALL_PUBLIC, (key(PUBLIC), key(CERTIFICATE, "retiring", NOW)), Step.RETIRED),
        ([], (key(PUBLIC),), Step.RETIRED),
        ([use("answer", CERTIFICATE, 5)], (key(PUBLIC, "retired"), key(CERTIFICATE)), Step.NOTHING),
    ],
)
def test_B15_the_step_follows_from_what_is_stored_and_who_signed_within_a_day(
    uses: list[Use], stored: tuple[KeyVersion, ...], step: Step
) -> None:
    found = cockpit(uses, *stored)

    assert found.step is step
    assert found.words is STEP_WORDS[step]


def test_B15_shares_are_by_channel_and_span_and_by_shanghai_day() -> None:
    found = cockpit(
        [
            use("answer", PUBLIC, 300),
            use("answer", CERTIFICATE, 100, hours_ago=23),
            use("answer", CERTIFICATE, 600, hours_ago=30),
            use("notification", PUBLIC, 1, hours_ago=50),
            use("request", KeyKind.CLIENT_CERTIFICATE, 999),
        ],
        *BOTH,
    )

    assert found.day.answers == Share(300, 100)
    assert found.day.answers.per_10000 == 7_500
    assert found.week.answers == Share(300, 700)
    assert found.day.notifications.per_10000 is None
    assert found.week.notifications == Share(1, 0)
    assert [f"{day:%d}" for day, _span in found.days] == ["21", "20", "19", "18", "17", "16", "15"]
    # 06:00 UTC of the 20th is the 20th in Shanghai, 23 hours ago was 21:00 there.
    assert [span.answers for _day, span in found.days][:2] == [Share(300, 0), Share(0, 700)]
    assert since(NOW) == NOW - timedelta(days=7)


def test_B15_every_key_is_listed_stored_or_merely_met() -> None:
    gone = Use("notification", CERTIFICATE, "FFFF", NOW - timedelta(hours=30), 2, NOW - timedelta(hours=30))
    found = cockpit([use("answer", PUBLIC, 3), gone], *BOTH)

    lines = {line.serial: line for line in found.serials}
    assert list(lines) == [ID, SERIAL, "FFFF"]
    assert lines["FFFF"].version is None
    assert (lines["FFFF"].notifications_day, lines["FFFF"].notifications_week) == (0, 2)
    assert lines[SERIAL].last_at is None
    assert (lines[ID].answers_day, lines[ID].answers_week) == (3, 3)
