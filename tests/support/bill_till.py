"""A till for bills: a provider with keys, its bills at a WeChat that says what it is told, and our shelf."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.support.house import MASTER_KEY, House, build_house
from tests.support.large_bills import trade_bill, yuan
from tests.support.till import CLIENT_BUNDLE, KEY

from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.base import Model, table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, Scope
from spcore.providers.keyring import Keyring
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind, Provider
from spcore.vault import Vault
from sptenants.bills.models import Bill, BillLine, BillPart, FundEntry
from sptenants.bills.reader import Bookshelf
from sptenants.bills.records import BillRecord
from sptenants.bills.service import Bills
from sptenants.registry.models import Tenant
from wechatpay.bills import (
    Account,
    BillAsker,
    BillKind,
    BillProblem,
    BillUnavailable,
    BillWanted,
    Fetched,
    HashCheck,
    Sink,
)
from wechatpay.call import CallRecord

DAY = date(2026, 11, 20)
"""The day before the one on which the tests' clock stands still."""
TRADE = BillWanted(DAY, BillKind.TRADE)
FUND = BillWanted(DAY, BillKind.FUND, Account.BASIC)
FINANCE = Actor("person", "per_01JD3K8W7Q4M6X0B2T9V5H1CZN", "财务")

_FUND_HEADER = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
_FUND_SUMMARY = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


@dataclass(slots=True)
class BillsAtWechat:
    """WeChat's bills: a text, None for a day on which nothing happened, or why there is none.

    A bill that nobody put there is not ready. `breaks_after` cuts a download after so many bytes.
    """

    bills: dict[BillWanted, bytes | BillProblem | None] = field(default_factory=dict)
    asked: list[tuple[str, BillAsker, BillWanted]] = field(default_factory=list)
    breaks_after: int | None = None
    piece: int = 1000

    def bills_of(self, version: str) -> _OneApi:
        return _OneApi(self, version)


@dataclass(slots=True)
class _OneApi:
    wechat: BillsAtWechat
    version: str

    async def fetch(self, asker: BillAsker, wanted: BillWanted, sink: Sink) -> Fetched:
        self.wechat.asked.append((self.version, asker, wanted))
        call = CallRecord("downloadbill", "/pay/downloadbill", 200, 5, err_code="20002")
        answer = self.wechat.bills.get(wanted, BillProblem.NOT_READY)
        if isinstance(answer, BillProblem):
            raise BillUnavailable(answer, call)
        if answer is None:
            return Fetched(True, 0, None, None, HashCheck.UNTOLD, call)
        for at in range(0, len(answer), self.wechat.piece):
            if self.wechat.breaks_after is not None and at >= self.wechat.breaks_after:
                raise BillUnavailable(BillProblem.INCOMPLETE, call)
            await sink(answer[at : at + self.wechat.piece])
        sha1 = hashlib.sha1(answer, usedforsecurity=False).hexdigest()
        return Fetched(False, len(answer), sha1, sha1, HashCheck.TEXT, call)


class _Gateways:
    def __init__(self, wechat: BillsAtWechat) -> None:
        self._wechat = wechat

    def bills(self, mode: str, api_version: str, provider_id: str) -> _OneApi:
        return self._wechat.bills_of(api_version)


@dataclass(slots=True)
class Comparison:
    """Stands where reconciliation stands: notes what it was given; takes `slices` calls for each bill."""

    given: list[BillRecord] = field(default_factory=list)
    slices: int = 1

    async def __call__(self, bill: BillRecord) -> bool:
        self.given.append(bill)
        return len(self.given) % self.slices == 0


class Killed(Exception):
    """The process ends here."""


class MortalDatabase(Database):
    """A database whose process is killed right after commit number `last`, counted from 1."""

    def __init__(self, url: str, last: int) -> None:
        super().__init__(url)
        self.commits, self._last = 0, last

    def write(self, scope: Scope) -> AbstractAsyncContextManager[AsyncSession]:
        return self._mortal(scope)

    @asynccontextmanager
    async def _mortal(self, scope: Scope) -> Any:
        async with super().write(scope) as session:
            yield session
        self.commits += 1
        if self.commits == self._last:
            raise Killed


@dataclass(slots=True)
class BillTill:
    database: Database
    clock: Any
    keyring: Keyring
    vault: Vault
    wechat: BillsAtWechat
    comparison: Comparison
    bills: Bills
    shelf: Bookshelf
    house: House

    @property
    def scope(self) -> ProviderScope:
        return self.house.provider

    async def fetched(self, wanted: BillWanted, text: bytes | BillProblem | None) -> BillRecord:
        """Put a bill at WeChat, want it, and take it as far as it goes."""
        self.wechat.bills[wanted] = text
        bill = await self.bills.want(self.scope, wanted, FINANCE)
        return await self.bills.to_its_end(self.scope, bill.id)

    async def run(self, *, times: int = 1, **every: float) -> None:
        """Let time pass in steps and do what is due after each."""
        for _ in range(times):
            self.clock.advance(**every)
            await self.bills.run_due("worker")

    async def bill(self, wanted: BillWanted = TRADE) -> BillRecord | None:
        for found in await self.shelf.of_day(self.scope, wanted.day):
            if found.wanted == wanted:
                return found
        return None

    async def rows(self, model: type[Model], bill_id: str) -> list[dict[str, Any]]:
        """Return every stored row of a bill, without the ids that no two bills share."""
        table = table_of(model)
        query = (
            select(table)
            .where(table.c.provider_id == self.scope.provider_id, table.c.bill_id == bill_id)
            .order_by(table.c.edition, table.c.number)
        )
        async with self.database.read(self.scope) as session:
            found = (await session.execute(query)).mappings().all()
        return [{name: value for name, value in row.items() if name != "bill_id"} for row in found]

    async def lines(self, bill: BillRecord) -> list[dict[str, Any]]:
        return await self.rows(BillLine if bill.kind is BillKind.TRADE else FundEntry, bill.id)

    async def parts(self, bill: BillRecord) -> list[dict[str, Any]]:
        return await self.rows(BillPart, bill.id)

    async def set_provider(self, **values: Any) -> None:
        async with self.database.write(self.scope) as session:
            own = Provider.id == self.scope.provider_id
            await session.execute(update(table_of(Provider)).where(own).values(**values))

    async def set_bill(self, bill: BillRecord, **values: Any) -> None:
        bills = table_of(Bill)
        async with self.database.write(self.scope) as session:
            await session.execute(
                update(bills)
                .where(bills.c.provider_id == bill.provider_id, bills.c.id == bill.id)
                .values(**values)
            )

    async def set_tenant(self, place: int = 0, **values: Any) -> None:
        tenant = self.house.tenants[place]
        async with self.database.write(self.scope) as session:
            await session.execute(
                update(table_of(Tenant))
                .where(Tenant.provider_id == tenant.provider_id, Tenant.id == tenant.tenant_id)
                .values(**values)
            )


def bills_over(database: Database, till: BillTill) -> Bills:
    """Return the service of another process over the same bills."""
    keyring = Keyring(database, till.vault, till.clock)
    return Bills(database, till.clock, keyring, _Gateways(till.wechat), till.comparison)


async def build_bill_till(
    database: Database, clock: Clock, *, keys: Sequence[KeyKind] | None = None, **provider: Any
) -> BillTill:
    """Build a till for an ordinary provider of API v2 that came yesterday; `provider` sets its columns."""
    vault, wechat, comparison = Vault([MASTER_KEY]), BillsAtWechat(), Comparison()
    house = await build_house(database, tenants=2)
    keyring = Keyring(database, vault, clock)
    bills = Bills(database, clock, keyring, _Gateways(wechat), comparison)
    shelf = Bookshelf(database)
    till = BillTill(database, clock, keyring, vault, wechat, comparison, bills, shelf, house)
    for kind in (KeyKind.API_V2, KeyKind.CLIENT_CERTIFICATE) if keys is None else keys:
        await give_key(till, kind)
    await till.set_provider(**{"created_at": clock.now() - timedelta(days=1), **provider})
    return till


async def give_key(till: BillTill, kind: KeyKind) -> None:
    """Give the provider a key, or an API certificate as far as a WeChat without TLS can tell."""
    now, is_key = till.clock.now(), kind is KeyKind.API_V2
    more = {} if is_key else {"label": "5157F09E", "not_after": now + timedelta(days=365)}
    async with till.database.write(till.scope) as session:
        await put_key(
            session,
            till.vault,
            provider_id=till.scope.provider_id,
            kind=kind,
            secret=KEY.encode() if is_key else CLIENT_BUNDLE,
            now=now,
            **more,
        )


async def become_plain_merchant(till: BillTill) -> str:
    """Make the provider a plain merchant with one tenant that has no number; return the tenant's id."""
    provider_id, now = till.scope.provider_id, till.clock.now()
    tenant = {
        "id": "ten_01JD3K8W7Q4M6X0B2T9V5H1CZN",
        "provider_id": provider_id,
        "name": "本店",
        "status": "live",
        "route_key": "rte_own",
        "created_at": now,
        "updated_at": now,
    }
    await till.set_provider(kind="merchant")
    async with till.database.write(till.scope) as session:
        await session.execute(insert(table_of(Tenant)), [tenant])
    return str(tenant["id"])


def trade_text(
    n: int = 10, *, day: date = DAY, mch_id: str = "1900000101", subs: Sequence[str] = (), **more: Any
) -> bytes:
    """Return a day's trade bill of the till's provider."""
    sub_mch_ids = subs or ("1600000100", "1600000101")
    return b"".join(trade_bill(n, mch_id=mch_id, sub_mch_ids=sub_mch_ids, day=day, **more))


def fund_text(moves: Iterable[tuple[str, int]], *, opening: int = 0, day: date = DAY) -> bytes:
    """Return a day's fund bill: each move is WeChat's number and fen, below zero when it left."""
    income: list[int] = []
    expense: list[int] = []
    lines, balance = [_FUND_HEADER], opening
    for number, (business_no, amount) in enumerate(moves):
        balance += amount
        (income if amount >= 0 else expense).append(abs(amount))
        values = (
            f"{day:%Y-%m-%d} {number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}",
            business_no,
            f"F{number:020d}",
            "交易",
            "交易",
            "收入" if amount >= 0 else "支出",
            yuan(abs(amount)),
            yuan(balance),
            "system",
            "",
            "",
        )
        lines.append("`" + ",`".join(values))
    sums = (
        str(len(income) + len(expense)),
        str(len(income)),
        yuan(sum(income)),
        str(len(expense)),
        yuan(sum(expense)),
    )
    return ("\r\n".join([*lines, _FUND_SUMMARY, "`" + ",`".join(sums)]) + "\r\n").encode()
