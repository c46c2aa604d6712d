"""`wxsp bill`: WeChat's bills, fetched and compared now."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import click
from sqlalchemy import or_, select

from spapp.cli.common import as_json, show
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.providers.models import Provider
from sptenants.bills.planning import yesterday
from sptenants.bills.records import BillRecord
from sptenants.bills.states import BillState
from sptenants.bills.words import ACCOUNT_WORDS, KIND_WORDS, STATE_WORDS, problem_words
from sptenants.orders.versions import API_V3
from sptenants.registry.models import Tenant
from wechatpay.bills import Account, BillKind, BillWanted
from wechatpay.identifiers import SubMchId

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class _Wish:
    """The options of one call."""

    day: date
    provider: str | None
    tenant_id: str | None
    kind: str
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class _Subject:
    """Whose bills are fetched: a provider's, or one sub-merchant's."""

    scope: ProviderScope
    api_version: str
    sub_mch_id: SubMchId | None


@click.group()
def bill() -> None:
    """对账单 bills."""


@bill.command()
@click.option("--date", "day", metavar="YYYY-MM-DD", help="账单日期，默认昨天 the day, yesterday by default")
@click.option("--provider", metavar="ID", help="服务商 one provider: prv_… or its mch_id; all by default")
@click.option("--tenant", "tenant_id", metavar="ID", help="只要该特约商户的账单 this sub-merchant's: ten_…")
@click.option(
    "--kind", type=click.Choice(["trade", "fund", "all"]), default="all", help="账单种类 which bills"
)
@click.option(
    "--account",
    "accounts",
    type=click.Choice([account.value for account in Account]),
    multiple=True,
    default=[Account.BASIC.value],
    help="资金账单的账户 accounts of fund bills; BASIC by default",
)
@as_json
def fetch(
    day: str | None,
    provider: str | None,
    tenant_id: str | None,
    kind: str,
    accounts: Sequence[str],
    as_json: bool,
) -> None:
    """立即下载并核对账单 fetch bills of one day now and compare them; exit 1 unless all is well."""
    chosen = tuple(Account(account) for account in accounts)
    wish = _Wish(_day(day), provider, tenant_id, kind, chosen)

    async def work(services: Services) -> list[BillRecord]:
        found = [
            await services.bills.to_its_end(
                subject.scope, (await services.bills.want(subject.scope, wanted, CLI)).id
            )
            for subject in await _subjects(services, wish)
            for wanted in _wanted(wish, subject)
        ]
        while await services.statements.settle_due():
            pass
        return [await services.bookshelf.record(bill.scope, bill.id) for bill in found]

    bills = run(work)
    lines = [_line(bill) for bill in bills]
    show({"bills": [_answer(bill) for bill in bills]}, machine=as_json, human="\n".join(lines))
    if any(bill.state is not BillState.BALANCED or bill.problem is not None for bill in bills):
        sys.exit(1)


def _day(text: str | None) -> date:
    if text is None:
        return yesterday(datetime.now(UTC))
    try:
        if _DATE.fullmatch(text) is None:
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("应为 YYYY-MM-DD is written YYYY-MM-DD", param_hint="--date") from None


def _wanted(wish: _Wish, subject: _Subject) -> list[BillWanted]:
    wanted: list[BillWanted] = []
    if wish.kind != "fund":
        wanted.append(BillWanted(wish.day, BillKind.TRADE, sub_mch_id=subject.sub_mch_id))
    # Of all bills there are: by v2 a sub-merchant has no fund bill, and who asks for one by name is told so.
    if wish.kind == "fund" or (
        wish.kind == "all" and (subject.sub_mch_id is None or subject.api_version == API_V3)
    ):
        wanted += [
            BillWanted(wish.day, BillKind.FUND, account, subject.sub_mch_id) for account in wish.accounts
        ]
    return wanted


async def _subjects(services: Services, wish: _Wish) -> list[_Subject]:
    """Return whose bills are meant. Raises a usage error for a provider or tenant that is not here."""
    providers = select(Provider).order_by(Provider.id)
    if wish.provider is None:
        providers = providers.where(Provider.status == "active")
    else:
        providers = providers.where(or_(Provider.id == wish.provider, Provider.mch_id == wish.provider))
    async with services.database.read(PlatformScope("bill fetch")) as session:
        found = (await session.scalars(providers)).all()
        if wish.provider is not None and not found:
            raise click.BadParameter("没有这个服务商 no such provider", param_hint="--provider")
        if wish.tenant_id is None:
            return [_Subject(ProviderScope(row.id), row.api_version, None) for row in found]
        tenant = await session.scalar(select(Tenant).where(Tenant.id == wish.tenant_id))
    for row in found:
        if tenant is not None and tenant.provider_id == row.id:
            if tenant.sub_mch_id is None and row.kind != "merchant":
                raise click.BadParameter("它还没有特约商户号 it has no number yet", param_hint="--tenant")
            # A plain merchant's bill is the provider's: there is no number to ask by.
            number = None if tenant.sub_mch_id is None else SubMchId(tenant.sub_mch_id)
            return [_Subject(ProviderScope(row.id), row.api_version, number)]
    raise click.BadParameter("没有这个特约商户 no such sub-merchant", param_hint="--tenant")


def _amount(bill: BillRecord) -> int | None:
    """Return fen: what was paid by a trade bill, what came in by a fund bill. None before it is loaded."""
    if bill.summary is None:
        return 0 if bill.is_loaded else None
    amount: int = bill.summary["counted"]["total" if bill.kind is BillKind.TRADE else "income"]
    return amount


def _answer(bill: BillRecord) -> dict[str, Any]:
    words = problem_words(bill)
    return {
        "id": bill.id,
        "date": bill.day.isoformat(),
        "provider_id": bill.provider_id,
        "mch_id": bill.provider.mch_id,
        "tenant_id": bill.tenant_id,
        "sub_mch_id": bill.sub_mch_id,
        "kind": bill.kind.value,
        "account": bill.account.value if bill.account else None,
        "state": bill.state.value,
        "lines": bill.lines,
        "amount": _amount(bill),
        "problem": bill.problem,
        "detail": words.meaning.zh if words else None,
        "next_at": bill.next_at.isoformat() if bill.next_at else None,
    }


def _line(bill: BillRecord) -> str:
    amount, words = _amount(bill), problem_words(bill)
    account = f" {ACCOUNT_WORDS[bill.account].zh}" if bill.account else ""
    told = (
        f"{bill.day.isoformat()}",
        bill.sub_mch_id or bill.provider.mch_id,
        f"{KIND_WORDS[bill.kind].zh}{account} {bill.kind.value}",
        f"{STATE_WORDS[bill.state].zh} {bill.state.value}",
        f"{bill.lines} 行",
        "–" if amount is None else f"¥{amount // 100:,}.{amount % 100:02d}",
    )
    line = "  ".join(told)
    if words is None:
        return line
    zh = f"{words.meaning.zh}。{words.next.zh}{words.action.zh}"
    return f"{line}\n    {zh}\n    {words.meaning.en}. {words.next.en}"
