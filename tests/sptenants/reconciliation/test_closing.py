"""What a person does with a difference: once, with a note, and audited (A06, Y3)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.support.statement_rows import add_bill, add_difference, provider_of
from tests.support.till import FACTS, Till, add_provider, build_till

from spcore.audit.actor import Actor
from spcore.audit.models import AuditRow
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.errors import InvalidInput, NotFound
from sptenants.reconciliation.causes import CauseCode
from sptenants.reconciliation.closing import Differences
from sptenants.reconciliation.errors import AlreadyResolved, NotAskable
from sptenants.reconciliation.reader import DifferenceReader
from sptenants.reconciliation.records import DifferenceRecord
from sptenants.reconciliation.states import (
    DifferenceDetail,
    DifferenceKind,
    DifferenceState,
    Resolution,
    StatementState,
    Suspended,
)
from sptenants.reconciliation.words import (
    KIND_WORDS,
    RESOLUTION_WORDS,
    STATE_WORDS,
    STATEMENT_WORDS,
    SUSPENDED_WORDS,
    cause_title,
    explain,
    words_of,
)

PERSON = Actor("person", "per_1", "李会计")


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till(database, clock)


@pytest.fixture
def differences(till: Till) -> Differences:
    return Differences(till.database, till.clock)


async def record(till: Till, difference_id: str) -> DifferenceRecord:
    return await DifferenceReader(till.database).record(provider_of(till), difference_id)


async def audited(till: Till) -> list[AuditRow]:
    async with till.database.read(provider_of(till)) as session:
        rows = await session.scalars(select(AuditRow).where(AuditRow.chain == till.scope.provider_id))
        return list(rows)


async def test_A06_closing_says_who_and_what_and_is_asked_about_no_more(
    till: Till, differences: Differences
) -> None:
    made = await add_difference(till, await add_bill(till), leased_by="w1", leased_until=till.clock.now())
    till.clock.advance(minutes=5)
    closed = await differences.close(provider_of(till), made, PERSON, "  已与微信核对 ", FACTS)
    assert (closed.state, closed.resolution) == (DifferenceState.RESOLVED, Resolution.PERSON)
    assert (closed.resolved_by, closed.note, closed.next_at) == ("李会计", "已与微信核对", None)
    assert closed.resolved_at == closed.updated_at == till.clock.now()
    (row,) = await audited(till)
    assert (row.action, row.object_id, row.tenant_id, row.reason, row.request_id) == (
        "difference.closed",
        made,
        till.scope.tenant_id,
        "已与微信核对",
        "req_1",
    )


async def test_a_note_is_required_and_bounded(till: Till, differences: Differences) -> None:
    made = await add_difference(till, await add_bill(till))
    for note in ("", "   ", "长" * 501, "a\0b"):
        with pytest.raises(InvalidInput):
            await differences.close(provider_of(till), made, PERSON, note)
    assert (await record(till, made)).is_open
    assert (await differences.close(provider_of(till), made, PERSON, "长" * 500)).note == "长" * 500


async def test_of_five_who_close_at_once_one_did_it(till: Till, differences: Differences) -> None:
    made = await add_difference(till, await add_bill(till))
    tried = [differences.close(provider_of(till), made, PERSON, f"第 {n} 人") for n in range(5)]
    results = await asyncio.gather(*tried, return_exceptions=True)
    assert sum(isinstance(result, AlreadyResolved) for result in results) == 4
    assert len(await audited(till)) == 1
    with pytest.raises(AlreadyResolved) as again:
        await differences.close(provider_of(till), made, PERSON, "再来一次")
    assert again.value.difference.note == (await record(till, made)).note


async def test_Y3_another_providers_difference_is_not_found(till: Till, differences: Differences) -> None:
    till.callers += await add_provider(till, number=2)
    theirs = await add_difference(till, await add_bill(till, tenant=2), tenant=2)
    with pytest.raises(NotFound):
        await differences.close(provider_of(till), theirs, PERSON, "不是我的")
    with pytest.raises(NotFound):
        await differences.ask_again(provider_of(till), theirs, PERSON)
    shown = await DifferenceReader(till.database).record(provider_of(till, 2), theirs)
    assert (shown.is_open, shown.next_at) == (True, till.clock.now() + timedelta(hours=2))


async def test_what_is_nobodys_is_closed_by_the_provider(till: Till, differences: Differences) -> None:
    stray = await add_difference(
        till, await add_bill(till), DifferenceDetail.UNKNOWN_SUB_MERCHANT, tenant=None
    )
    assert (await differences.close(provider_of(till), stray, PERSON, "其他系统收款")).tenant_id is None
    assert (await audited(till))[0].tenant_id is None


async def test_asking_again_is_due_at_once_where_an_answer_can_help(
    till: Till, differences: Differences
) -> None:
    bill = await add_bill(till)
    unknown = await add_difference(till, bill, DifferenceDetail.PAYMENT_UNKNOWN, next_at=None)
    asked = await differences.ask_again(provider_of(till), unknown, PERSON, FACTS)
    assert asked.next_at == till.clock.now()
    assert [row.action for row in await audited(till)] == ["difference.asked_again"]
    fee = await add_difference(till, bill, DifferenceDetail.FEE, next_at=None)
    with pytest.raises(NotAskable):
        await differences.ask_again(provider_of(till), fee, PERSON)
    await differences.close(provider_of(till), unknown, PERSON, "已处理")
    with pytest.raises(AlreadyResolved):
        await differences.ask_again(provider_of(till), unknown, PERSON)
    assert (await record(till, unknown)).next_at is None


async def test_everything_has_words_in_both_languages(till: Till) -> None:
    bill = await add_bill(till)
    made = await record(till, await add_difference(till, bill, cause="late_notification"))
    assert explain(made).cause.zh == "微信的通知在账单日之后才到。"
    texts = [text for detail in DifferenceDetail for text in vars_of(words_of(detail))]
    for code in CauseCode:
        known = await record(till, await add_difference(till, bill, cause=code.value))
        texts += [*vars_of(explain(known)), cause_title(code.value)]
    tables = (KIND_WORDS, STATE_WORDS, RESOLUTION_WORDS, STATEMENT_WORDS, SUSPENDED_WORDS)
    kinds = (DifferenceKind, DifferenceState, Resolution, StatementState, Suspended)
    for table, words in zip(tables, kinds, strict=True):
        assert set(table) == set(words)
        texts += table.values()
    for text in [*texts, explain(made).action, cause_title(None)]:
        assert text.zh
        assert text.en
        assert text.zh != text.en
        assert "{" not in text.zh + text.en


async def test_B19_a_cause_tells_its_facts_as_beijing_sees_them(till: Till) -> None:
    bill = await add_bill(till)
    facts = {"received_at": "2026-11-20T16:00:07+00:00"}
    late = await add_difference(till, bill, cause="late_notification", cause_facts=facts)
    shown = explain(await record(till, late)).cause
    assert shown.zh == "微信的通知 2026-11-21 00:00:07 才到，已过账单日。"
    amount = await add_difference(till, bill, cause="amount_differs_at_wechat", cause_facts={"amount": 12700})
    assert explain(await record(till, amount)).cause.zh == "微信查单的金额是 ¥127.00，与账单一致。"
    hostile = await add_difference(till, bill, cause="refund_ended_otherwise", cause_facts={"status": "{x}"})
    assert "{x}" in explain(await record(till, hostile)).cause.zh
    unseen = explain(await record(till, await add_difference(till, bill)))
    assert unseen.cause.zh.startswith("原因还没有查明")


def vars_of(words: object) -> list[object]:
    return [getattr(words, name) for name in type(words).__dataclass_fields__]  # type: ignore[attr-defined]
