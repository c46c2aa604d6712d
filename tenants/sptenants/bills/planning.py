"""Which bills are to be fetched at a moment: pure, so that every morning can be tried out.

WeChat makes a day's bills from 09:00 of the next one; whoever asks after 10:00 gets them (wechatpay-v2 4.8,
wechatpay-v3 5.6). Days are Beijing's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from sptenants.orders.versions import API_V3
from wechatpay.bills import Account, BillKind, BillWanted
from wechatpay.identifiers import SubMchId

CHINA = timezone(timedelta(hours=8))
DAY = timedelta(days=1)
DAYS_BACK = 7
"""How many days a worker that stood still makes up for."""
READY_AT = time(10)
_MADE_FROM = time(9)
_SPREAD_S = 600


@dataclass(frozen=True, slots=True)
class OwnBills:
    """A tenant whose bills are fetched for itself too."""

    sub_mch_id: SubMchId
    since: date


@dataclass(frozen=True, slots=True)
class Subject:
    """A provider, as far as planning goes. `since` is the day it came to be here."""

    provider_id: str
    is_active: bool
    api_version: str
    since: date
    own_bills: Sequence[OwnBills] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """A bill that there is a row of. `is_under_way`: a worker will take its next step by itself."""

    asked_at: datetime | None
    is_under_way: bool


def yesterday(now: datetime) -> date:
    """Return the Beijing day before the one of `now`."""
    return now.astimezone(CHINA).date() - DAY


def due_at(day: date, provider_id: str) -> datetime:
    """Return when a day's bills are asked for: the next day, 10:00 and up to ten minutes by provider."""
    digest = hashlib.sha256(provider_id.encode()).digest()
    spread = timedelta(seconds=int.from_bytes(digest[:4], "big") % _SPREAD_S)
    return datetime.combine(day + DAY, READY_AT, CHINA) + spread


def is_premature(day: date, asked_at: datetime) -> bool:
    """Say whether a bill was asked for before WeChat had the whole of its day."""
    return asked_at < datetime.combine(day + DAY, _MADE_FROM, CHINA)


def bills_due(subject: Subject, known: Mapping[BillWanted, Known], now: datetime) -> list[BillWanted]:
    """Return the bills to begin with now, oldest first: those of the last week that there is no row of, and
    those that were asked for too early and are waited for no more."""
    if not subject.is_active:
        return []
    last = yesterday(now)
    days = [last - DAY * n for n in reversed(range(DAYS_BACK))]
    return [
        wanted
        for day in days
        if now >= due_at(day, subject.provider_id)
        for wanted in _of_day(subject, day)
        if _is_missing(known.get(wanted), day)
    ]


def _of_day(subject: Subject, day: date) -> Iterator[BillWanted]:
    if day >= subject.since:
        yield BillWanted(day, BillKind.TRADE)
        yield BillWanted(day, BillKind.FUND, Account.BASIC)
    for own in subject.own_bills:
        if day < own.since:
            continue
        yield BillWanted(day, BillKind.TRADE, sub_mch_id=own.sub_mch_id)
        if subject.api_version == API_V3:
            yield BillWanted(day, BillKind.FUND, Account.BASIC, own.sub_mch_id)


def _is_missing(known: Known | None, day: date) -> bool:
    if known is None:
        return True
    if known.is_under_way:
        return False
    return known.asked_at is None or is_premature(day, known.asked_at)
