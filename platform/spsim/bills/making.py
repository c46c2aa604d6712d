"""One whole bill as it was asked for, and the files it is handed out in."""

from __future__ import annotations

import gzip
import hashlib
from typing import Final

from spsim.registry import Provider
from spsim.transport import Reply
from spsim.world import World

from . import day as days
from . import fund, planting, rules
from .day import Day, NoBill, Why
from .fund import FundRow
from .writing import ALL, BILL_TYPES, Layout

_PLAIN: Final = "text/plain; charset=utf-8"
_PACKED: Final = "application/x-gzip"
_PAGE: Final = "<!doctype html><html><head><title>系统繁忙</title></head></html>".encode()


def trade_bill(
    world: World, provider: Provider, day: Day, api: str, sub_mch_id: str = "", bill_type: str = ALL
) -> bytes:
    """Write a merchant number's trade bill, or that of one sub-merchant; raises NoBill."""
    days.check_served(world, day)
    wanted = BILL_TYPES[bill_type]
    rows = [
        row
        for row in planting.shown(world, provider, day)
        if wanted(row) and sub_mch_id in {"", row.sub_mch_id}
    ]
    if not rows:
        raise NoBill(Why.EMPTY)
    return _layout(world, api).trade(rows, bill_type)


def own_fund_bill(world: World, provider: Provider, day: Day, api: str, account: str) -> bytes:
    """Write the fund bill of a merchant number's own account; raises NoBill."""
    days.check_served(world, day)
    return _fund_text(world, api, fund.own_rows(world, provider, day, account))


def sub_merchant_fund_bill(
    world: World, provider: Provider, day: Day, api: str, account: str, sub_mch_id: str
) -> bytes:
    """Write the fund bill of a sub-merchant; raises NoBill."""
    days.check_served(world, day)
    return _fund_text(world, api, fund.sub_merchant_rows(world, provider, sub_mch_id, day, account))


def packed(text: bytes) -> bytes:
    """Return the text as one gzip stream, the same for the same text."""
    return gzip.compress(text, mtime=0)


def sha1(content: bytes) -> str:
    """Return the hash as bills tell it."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def file(world: World, content: bytes, *, zipped: bool) -> Reply:
    """Return the answer that carries a file, damaged when a tester wants it so."""
    kind = rules.damage(world.ledger, rules.TRUNCATED, rules.HTML, *([rules.CORRUPT_GZIP] if zipped else []))
    if kind == rules.HTML:
        return Reply(_PAGE, content_type="text/html; charset=utf-8")
    if kind == rules.TRUNCATED:
        content = content[: len(content) // 2]
    if kind == rules.CORRUPT_GZIP:
        middle = len(content) // 2
        content = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
    return Reply(content, content_type=_PACKED if zipped else _PLAIN)


def _fund_text(world: World, api: str, rows: list[FundRow]) -> bytes:
    if not rows:
        raise NoBill(Why.EMPTY)
    return _layout(world, api).fund(rows)


def _layout(world: World, api: str) -> Layout:
    wrong = rules.damage(world.ledger, rules.WRONG_SUMMARY) is not None
    return Layout(api, rules.of(world.ledger), wrong)
