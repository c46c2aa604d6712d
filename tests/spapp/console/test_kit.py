"""The kit's pages and downloads in the areas of merchants and service providers (B-14)."""

from __future__ import annotations

import io
import zipfile

import pytest
from sqlalchemy import select
from tests.support.shop import HOSTILE_NAME, LONG_NAME, Shop
from tests.support.visitor import Visitor

from spapp.kit.builder import FOLDER
from spcore.audit.models import AuditRow
from spcore.db.engine import Database

MINI = "wx3f8c21d0b7e6a91c"


async def acts(database: Database, shop: Shop) -> list[AuditRow]:
    scope = shop.providers[0]
    query = (
        select(AuditRow)
        .where(AuditRow.chain == scope.provider_id, AuditRow.action == "kit.downloaded")
        .order_by(AuditRow.seq)
    )
    async with database.read(scope) as session:
        return list(await session.scalars(query))


async def test_B14_a_merchant_reads_what_to_do_and_takes_the_kit(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["merchant_user"])

    page = await visitor.get("/m/kit")
    answer = await visitor.get("/m/kit.zip")

    for shown in (
        MINI,
        "wx8b1d04c99e23f5aa",
        "request 合法域名",
        "http://127.0.0.1:8000",
        "不是 HTTPS",
        "已录入",
    ):
        assert shown in page.text
    assert LONG_NAME not in page.text
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="wxsp-kit-1612345678-{MINI}.zip"'
    assert answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as kit:
        assert f'"subAppid": "{MINI}"' in kit.read(f"{FOLDER}/config.js").decode()
    (act,) = await acts(database, shop)
    assert (act.tenant_id, act.actor_name) == (shop.tenants["晨曦咖啡"].tenant_id, "陈店长")
    assert act.after is not None
    assert act.after["sub_appid"] == MINI
    assert act.request_id


async def test_looking_at_the_page_takes_nothing(visitor: Visitor, shop: Shop, database: Database) -> None:
    await visitor.sign_in(shop.people["merchant_user"])

    await visitor.get("/m/kit")

    assert await acts(database, shop) == []


@pytest.mark.parametrize("appid", ["wx8b1d04c99e23f5aa", "wx5b77e40aa1c2d3e4", "wx0000000000000000", "%00"])
async def test_a_kit_is_made_for_a_usable_mini_program_only(
    visitor: Visitor, shop: Shop, database: Database, appid: str
) -> None:
    await visitor.sign_in(shop.people["merchant_user"])

    refused = await visitor.get(f"/m/kit.zip?appid={appid}")

    assert refused.status_code == 422
    assert await acts(database, shop) == []


async def test_a_service_provider_takes_the_kit_of_each_of_its_tenants(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["provider_operator"])

    for name in ("晨曦咖啡", LONG_NAME, HOSTILE_NAME):
        url = f"/console/tenants/{shop.tenants[name].tenant_id}/kit"
        page, answer = await visitor.get(url), await visitor.get(f"{url}.zip")
        assert (page.status_code, answer.status_code) == (200, 200)
        assert "<script>alert" not in page.text
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None

    assert len(await acts(database, shop)) == 3


async def test_a_tenant_without_a_mini_program_still_gets_the_server_examples(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    url = f"/console/tenants/{shop.tenants['阿婆生煎'].tenant_id}/kit"

    page, answer = await visitor.get(url), await visitor.get(f"{url}.zip")

    assert "还没有可用的小程序 AppID" in page.text
    assert answer.headers["content-disposition"] == 'attachment; filename="wxsp-kit-1634567012.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as kit:
        assert '"subAppid": ""' in kit.read(f"{FOLDER}/config.js").decode()


@pytest.mark.parametrize("part", ["kit", "kit.zip"])
async def test_Y3_a_foreign_tenants_kit_is_no_kit(visitor: Visitor, shop: Shop, part: str) -> None:
    await visitor.sign_in(shop.people["provider_owner"])

    foreign = await visitor.get(f"/console/tenants/{shop.tenants['仁康门诊部'].tenant_id}/{part}")

    assert foreign.status_code == 404


async def test_the_page_speaks_english(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["merchant_user"])

    page = await visitor.get("/m/kit", language="en")

    assert "Download the kit" in page.text
    assert "What is inside" in page.text
