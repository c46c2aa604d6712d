"""The wizard's acts: drafts that resume, steps that are derived, a life that moves along."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.sptenants.onboarding.conftest import Village

from spcore.audit.models import AuditRow
from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput, NotFound
from sptenants.onboarding.errors import StepNotDone
from sptenants.onboarding.models import OnboardingStep
from sptenants.onboarding.steps import Step
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.errors import StateConflict
from sptenants.registry.models import Tenant
from sptenants.registry.particulars import Contact, Particulars

KNOWN = Particulars("晨曦", Contact("王敏", "13800001234", "shop@example.com"), "T+1")
OFFICIAL = NewBinding("wx8b1d04c99e23f5aa", "official_account", "merchant")
MINI = NewBinding("wx3f8c21d0b7e6a91c", "miniprogram", "merchant", name="晨曦点单")


async def begun(village: Village, name: str = "晨曦咖啡") -> TenantScope:
    made = await village.onboarding.begin(village.sp, name, KNOWN)
    return TenantScope(village.sp.provider.id, made.id)


async def status(village: Village, scope: TenantScope) -> str:
    return (await village.onboarding.dossier(village.sp.scope, scope.tenant_id)).detail.tenant.status


async def test_a_draft_stands_without_its_number_and_resumes_at_step_two(village: Village) -> None:
    scope = await begun(village)
    await begun(village, "第二家没有号的商户")

    dossier = await village.onboarding.dossier(village.sp.scope, scope.tenant_id)

    assert dossier.detail.tenant.sub_mch_id is None
    assert dossier.next_step is Step.NUMBER
    assert [state.done for state in dossier.steps] == [True, *[False] * 6]


async def test_a_tenant_without_its_number_never_takes_money(village: Village) -> None:
    scope = await begun(village)
    await village.registry.set_status(village.sp, scope.tenant_id, "onboarding")

    with pytest.raises(StateConflict):
        await village.registry.set_status(village.sp, scope.tenant_id, "ready")


async def test_the_steps_move_the_tenant_along(village: Village) -> None:
    scope = await begun(village)
    await village.onboarding.number(village.sp, scope.tenant_id, "1600000999")
    assert await status(village, scope) == "draft"
    await village.onboarding.finish(village.sp, scope.tenant_id, Step.NUMBER)
    assert await status(village, scope) == "onboarding"
    await village.registry.add_binding(village.sp, scope.tenant_id, MINI)

    await village.onboarding.finish(village.sp, scope.tenant_id, Step.DOCTOR)

    assert await status(village, scope) == "ready"
    dossier = await village.onboarding.dossier(village.sp.scope, scope.tenant_id)
    skipped = next(state for state in dossier.steps if state.step is Step.DIRECTORIES)
    assert skipped.skipped
    with pytest.raises(StateConflict):
        await village.onboarding.number(village.sp, scope.tenant_id, "1600000998")


async def test_an_official_account_asks_for_confirmed_directories(village: Village) -> None:
    scope = await begun(village)
    await village.onboarding.number(village.sp, scope.tenant_id, "1600000999")
    await village.onboarding.finish(village.sp, scope.tenant_id, Step.NUMBER)
    await village.registry.add_binding(village.sp, scope.tenant_id, OFFICIAL)
    urls = ["https://pay.example.com/h5/"]
    await village.onboarding.directories(village.sp, scope.tenant_id, urls, confirmed=False)

    with pytest.raises(StepNotDone):
        await village.onboarding.finish(village.sp, scope.tenant_id, Step.DOCTOR)
    await village.onboarding.directories(village.sp, scope.tenant_id, urls, confirmed=True)
    await village.onboarding.finish(village.sp, scope.tenant_id, Step.DOCTOR)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://pay.example.com/h5", id="no slash at the end"),
        pytest.param("ftp://pay.example.com/", id="another scheme"),
        pytest.param("https://127.0.0.1/pay/", id="an address"),
        pytest.param("https://shop.local/", id="an internal name"),
        pytest.param("https://pay.example.com/?a=/", id="a query"),
        pytest.param("https://pay.example.com:8443/", id="a port"),
        pytest.param("https://支付.example.com/", id="not ASCII"),
    ],
)
async def test_directories_are_taken_as_wechat_takes_them(village: Village, url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await village.onboarding.directories(village.sp, village.shop.tenant_id, [url], confirmed=True)

    assert refused.value.faults[0].pointer == "#/directories/0"


async def test_T03_a_draft_is_kept_sealed_and_given_back(village: Village) -> None:
    typed = {"name": "晨曦咖", "contact_phone": "1380000"}
    await village.onboarding.keep_draft(village.sp, village.shop.tenant_id, Step.PARTICULARS, typed)

    content = await village.onboarding.form_content(village.shop)

    assert content.drafts == {Step.PARTICULARS: typed}
    async with village.database.read(village.shop) as session:
        query = select(OnboardingStep).where(OnboardingStep.tenant_id == village.shop.tenant_id)
        row = (await session.scalars(query)).one()
    assert row.draft_sealed is not None
    assert b"1380000" not in row.draft_sealed


async def test_a_contact_is_sealed_and_masked_in_lists_and_audit(village: Village) -> None:
    scope = await begun(village)

    async with village.database.read(village.sp.scope) as session:
        mine = Tenant.provider_id == village.sp.provider.id
        row = (
            await session.execute(select(table_of(Tenant)).where(mine, Tenant.id == scope.tenant_id))
        ).one()
        acts = (await session.scalars(select(AuditRow).where(AuditRow.chain == village.sp.provider.id))).all()

    assert row.contact_hint == {"name": "王**", "phone": "138****1234", "email": "s***@example.com"}
    assert b"13800001234" not in row.contact_sealed
    assert "13800001234" not in repr([(act.before, act.after) for act in acts])
    assert (await village.onboarding.form_content(scope)).particulars == KNOWN


async def test_S18_a_name_of_lookalike_letters_is_refused(village: Village) -> None:
    for name in ("晨曦Ｃoffee", "Сoffee晨曦"):  # full-width C; Cyrillic С
        with pytest.raises(InvalidInput) as refused:
            await village.onboarding.begin(village.sp, name, KNOWN)
        assert refused.value.faults[0].code == "lookalike"


async def test_Y3_the_wizard_of_a_stranger_is_not_there(village: Village) -> None:
    far = village.far_shop.tenant_id
    with pytest.raises(NotFound):
        await village.onboarding.dossier(village.sp.scope, far)
    with pytest.raises(NotFound):
        await village.onboarding.describe(village.sp, far, "x", KNOWN)
    with pytest.raises(NotFound):
        await village.onboarding.number(village.sp, far, "1600000999")
    with pytest.raises(NotFound):
        await village.onboarding.directories(village.sp, far, [], confirmed=False)
    with pytest.raises(NotFound):
        await village.onboarding.keep_draft(village.sp, far, Step.NUMBER, {})
