"""Bills by API v3: applied for with a signed answer, then fetched as a file without one (wechatpay-v3 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from spsim.api_keys import V3
from spsim.bills import day as days
from spsim.bills import making, rules
from spsim.bills.day import Day, NoBill, Why
from spsim.bills.fund import ACCOUNTS, BASIC, SUB_MERCHANT_ACCOUNTS
from spsim.bills.tickets import Tickets
from spsim.bills.writing import ALL, BILL_TYPES
from spsim.signing import random_text
from spsim.transport import Reply
from spsim.world import World

from . import crypto, paths
from .endpoint import Document, Endpoint, Request, Text
from .failures import QUERY, Failed, against_the_rules, no_permission, wrong_parameter
from .identities import check_relation

_DATE: Final = Text(10, required=True, pattern=re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"))
_MERCHANT: Final = Text(32, least=8)
_GZIP: Final = Text(4, choices=("GZIP",))
_ALGORITHMS: Final = ("AEAD_AES_256_GCM", "SM4_GCM")
_HEX: Final = "0123456789abcdef"
_HASH: Final = "SHA1"


def endpoints() -> tuple[Endpoint, ...]:
    """Return the endpoints of bills; they share the files that were applied for."""
    desk = _Desk()
    return (
        Endpoint(
            "GET",
            paths.TRADE_BILL,
            desk.trade_bill,
            query={
                "bill_date": _DATE,
                "sub_mchid": _MERCHANT,
                "bill_type": Text(32, choices=tuple(BILL_TYPES)),
                "tar_type": _GZIP,
            },
        ),
        Endpoint(
            "GET",
            paths.FUND_BILL,
            desk.fund_bill,
            query={"bill_date": _DATE, "account_type": Text(32, choices=ACCOUNTS), "tar_type": _GZIP},
        ),
        Endpoint(
            "GET",
            paths.SUB_MERCHANT_FUND_BILL,
            desk.sub_merchant_fund_bill,
            query={
                "sub_mchid": Text(32, least=8, required=True),
                "bill_date": _DATE,
                "account_type": Text(32, required=True, choices=SUB_MERCHANT_ACCOUNTS),
                "algorithm": Text(32, required=True, choices=_ALGORITHMS),
                "tar_type": _GZIP,
            },
            partner=True,
        ),
        Endpoint(
            "GET",
            paths.BILL_FILE,
            desk.download,
            query={"token": Text(2048, required=True), "tartype": Text(4, choices=("gzip",))},
        ),
    )


class _Desk:
    """Where bills are applied for and fetched."""

    def __init__(self) -> None:
        self._tickets = Tickets()

    def trade_bill(self, world: World, request: Request) -> Document:
        """Make a trade bill and tell where it is."""
        sub_mch_id = request.query.get("sub_mchid", "")
        if sub_mch_id:
            if not request.provider.has_sub_merchants:
                raise against_the_rules("普通商户不能传入sub_mchid")
            check_relation(world, request)
        bill_type = request.query.get("bill_type", ALL)
        with _in_words_of_v3(request):
            text = making.trade_bill(world, request.provider, _day(request), V3, sub_mch_id, bill_type)
        return self._told(world, request, text)

    def fund_bill(self, world: World, request: Request) -> Document:
        """Make the fund bill of the caller's own account and tell where it is."""
        account = request.query.get("account_type", BASIC)
        with _in_words_of_v3(request):
            text = making.own_fund_bill(world, request.provider, _day(request), V3, account)
        return self._told(world, request, text)

    def sub_merchant_fund_bill(self, world: World, request: Request) -> Document:
        """Make a sub-merchant's fund bill, in parts that only the caller's certificate opens."""
        check_relation(world, request)
        known = rules.of(world.ledger)
        if not known.sub_merchant_funds:
            raise no_permission("商户未开通下载二级商户资金账单权限")
        if request.query["algorithm"] != _ALGORITHMS[0]:
            raise against_the_rules("国密账单暂不支持")
        with _in_words_of_v3(request):
            text = making.sub_merchant_fund_bill(
                world,
                request.provider,
                _day(request),
                V3,
                request.query["account_type"],
                request.query["sub_mchid"],
            )
        parts = list(_parts(text, known.split_parts))
        return {
            "download_bill_count": len(parts),
            "download_bill_list": [
                self._sealed_part(world, request, number, part, known.hash_of)
                for number, part in enumerate(parts, start=1)
            ],
        }

    def download(self, world: World, request: Request) -> Reply:
        """Hand out a file to who applied for it."""
        ticket = self._tickets.find(request.query["token"], world.clock.now_ms())
        if ticket is None:
            raise against_the_rules("账单下载地址已失效，请重新申请")
        if ticket.mch_id != request.provider.mch_id:
            raise no_permission("只能下载本商户申请的账单")
        if ("tartype" in request.query) != ticket.zipped:
            raise against_the_rules("账单下载地址与申请时不一致")
        return making.file(world, ticket.content, zipped=ticket.zipped)

    def _told(self, world: World, request: Request, text: bytes) -> Document:
        zipped = "tar_type" in request.query
        content = making.packed(text) if zipped else text
        url = self._address(world, request, content)
        return {"hash_type": _HASH, "hash_value": _hash(world, text), "download_url": url}

    def _sealed_part(
        self, world: World, request: Request, number: int, text: bytes, hash_of: str
    ) -> Document:
        """Seal one part: each is packed and encrypted by itself, under a key of its own."""
        content = making.packed(text) if "tar_type" in request.query else text
        key, nonce = random_text(32), random_text(16, _HEX)
        sealed = crypto.encrypt_file(key, nonce, content)
        return {
            "bill_sequence": number,
            "download_url": self._address(world, request, sealed),
            "encrypt_key": crypto.seal(request.certificate.pem, key),
            "hash_type": _HASH,
            "hash_value": _hash(world, text if hash_of == "text" else sealed),
            "nonce": nonce,
        }

    def _address(self, world: World, request: Request, content: bytes) -> str:
        """Keep a file and return where it is, on the host that the caller asked."""
        zipped = "tar_type" in request.query
        now = world.clock.now_ms()
        token = self._tickets.issue(request.provider.mch_id, content, zipped=zipped, now_ms=now)
        return f"{request.origin}{paths.BILL_FILE}?token={token}{'&tartype=gzip' if zipped else ''}"


@contextmanager
def _in_words_of_v3(request: Request) -> Iterator[None]:
    """Say in the words of v3 why there is no bill."""
    try:
        yield
    except NoBill as reason:
        match reason.why:
            case Why.CREATING:
                raise Failed(400, "STATEMENT_CREATING", "账单生成中，请稍后再试") from None
            case Why.EMPTY:
                raise Failed(400, "NO_STATEMENT_EXIST", "账单文件不存在") from None
            case Why.NO_SUCH_DATE:
                issue = "日期无效，仅支持下载三个月内且早于当天的账单"
                raise wrong_parameter("bill_date", request.query["bill_date"], issue, QUERY) from None


def _day(request: Request) -> Day:
    return days.read(request.query["bill_date"], "%Y-%m-%d")


def _parts(text: bytes, count: int) -> Iterator[bytes]:
    """Cut a text into so many parts of about one length, wherever that falls."""
    length = -(-len(text) // count)
    for start in range(0, len(text), length):
        yield text[start : start + length]


def _hash(world: World, content: bytes) -> str:
    found = making.sha1(content)
    wrong = rules.damage(world.ledger, rules.WRONG_HASH) is not None
    return found[::-1] if wrong else found
