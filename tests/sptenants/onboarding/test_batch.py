"""Lists of sub-merchants: read strictly, tried first, taken whole or not at all (S18)."""

from __future__ import annotations

import pytest
from tests.sptenants.onboarding.conftest import Village

from spcore.errors import InvalidInput
from sptenants.onboarding.batch import Outcome
from sptenants.onboarding.errors import PlanOutdated
from sptenants.onboarding.sheet import MAX_ROWS, read_bytes, read_text, template
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.reader import TenantFilter, TenantReader

HEADER = "商户名称,特约商户号,联系电话,AppID\n"
NEW = HEADER + "晨曦咖啡,1600000999,13800001234,wx3f8c21d0b7e6a91c\n"


async def names(village: Village) -> set[str]:
    found = await TenantReader(village.database).list(village.sp.scope, TenantFilter(), 100)
    return {row.name for row in found.rows}


async def faults(village: Village, text: str) -> list[tuple[int, str, str]]:
    plan = await village.imports.dry_run(village.sp, read_text(text))
    return [(row.row.line, fault.pointer, fault.code) for row in plan.rows for fault in row.faults]


async def test_a_dry_run_changes_nothing_and_its_digest_is_what_applying_asks_for(village: Village) -> None:
    before, sheet = await names(village), read_text(NEW)
    plan = await village.imports.dry_run(village.sp, sheet)
    assert plan.counts[Outcome.NEW] == 1
    assert await names(village) == before

    await village.imports.apply(village.sp, sheet, plan.digest)

    assert await names(village) == before | {"晨曦咖啡"}
    again = await village.imports.dry_run(village.sp, sheet)
    assert (again.counts[Outcome.UNCHANGED], again.changes_anything) == (1, False)


async def test_another_list_or_other_data_asks_for_another_dry_run(village: Village) -> None:
    sheet = read_text(NEW)
    plan = await village.imports.dry_run(village.sp, sheet)

    with pytest.raises(PlanOutdated):
        await village.imports.apply(village.sp, read_text(NEW + "阿婆生煎,1600000998,,\n"), plan.digest)
    await village.imports.apply(village.sp, sheet, plan.digest)
    with pytest.raises(PlanOutdated):
        await village.imports.apply(village.sp, sheet, plan.digest)


async def test_one_row_refused_while_importing_stores_none(village: Village) -> None:
    taken = NewBinding("wx9900aabbccddeeff", "miniprogram", "merchant")
    await village.registry.add_binding(village.stranger, village.far_shop.tenant_id, taken)
    before = await names(village)
    sheet = read_text(NEW + "阿婆生煎,1600000998,,wx9900aabbccddeeff\n")
    plan = await village.imports.dry_run(village.sp, sheet)

    with pytest.raises(InvalidInput) as refused:
        await village.imports.apply(village.sp, sheet, plan.digest)

    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [
        ("#/rows/3/apps/sub_appid", "appid_in_use")
    ]
    assert await names(village) == before


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param("=cmd(),1600000999,,", ("#/name", "formula"), id="S07 formula"),
        pytest.param("＝SUM(A1),1600000999,,", ("#/name", "formula"), id="S07 full-width formula"),
        pytest.param("Ｃoffee,1600000999,,", ("#/name", "lookalike"), id="S18 full-width letter"),
        pytest.param("晨曦Сoffee,1600000999,,", ("#/name", "lookalike"), id="S18 Cyrillic letter"),
        pytest.param(
            "晨曦,１６０００００９９９,,", ("#/sub_mch_id", "invalid_format"), id="S18 full-width digits"
        ),
        pytest.param("晨曦,160,,", ("#/sub_mch_id", "invalid_format"), id="S18 too short"),
        pytest.param("晨曦,,,", ("#/sub_mch_id", "missing"), id="no number"),
        pytest.param("晨曦,1600000999,138x,", ("#/contact_phone", "invalid_format"), id="phone"),
        pytest.param("晨曦,1600000999,,wx12", ("#/apps", "invalid_format"), id="appid"),
        pytest.param(
            "晨曦,1600000999,,wx3f8c21d0b7e6a91c:公众号:服务商", ("#/apps", "owner_not_allowed"), id="owner"
        ),
        pytest.param(
            "晨曦,1600000999,," + " ".join(f"wx{n:016d}" for n in range(6)),
            ("#/apps", "no_free_slot"),
            id="S18 five appids and one",
        ),
    ],
)
async def test_S18_a_faulty_cell_is_named(village: Village, row: str, expected: tuple[str, str]) -> None:
    assert (2, *expected) in await faults(village, HEADER + row + "\n")


async def test_S18_the_same_number_twice_is_named_with_the_first_row(village: Village) -> None:
    found = await faults(village, NEW + "另一家,1600000999,,\n")

    assert (3, "#/sub_mch_id", "twice") in found


def test_files_of_excel_are_read_whatever_their_encoding() -> None:
    for content in (NEW.encode("utf-8-sig"), NEW.encode("gb18030"), NEW.replace("\n", "\r\n").encode()):
        assert read_bytes(content).digest == read_text(NEW).digest
    assert read_text(NEW.replace(",", "\t")).rows[0].name == "晨曦咖啡"
    assert read_text(NEW.replace("1600000999", "`1600000999")).rows[0].sub_mch_id == "1600000999"


def test_the_template_is_a_list_that_can_be_imported() -> None:
    sheet = read_bytes(template().encode())

    assert [row.faults for row in sheet.rows] == [(), ()]
    assert len(sheet.rows[1].apps) == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("", "empty", id="nothing"),
        pytest.param(HEADER, "empty", id="header alone"),
        pytest.param("商户名称,商户\nx,y\n", "unknown_column", id="unknown column"),
        pytest.param("商户名称\nx\n", "missing_column", id="no number column"),
        pytest.param(HEADER + '"x,1\n', "not_csv", id="open quotation mark"),
        pytest.param(
            HEADER + "\n".join(f"n{n},1,," for n in range(MAX_ROWS + 1)), "too_many_rows", id="too many"
        ),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_whole(text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_text(text)

    assert refused.value.faults[0].code == code
