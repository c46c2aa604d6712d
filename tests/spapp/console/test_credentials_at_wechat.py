"""Keys and the move to API v3 with a WeChat that answers: the simulator, over the real program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from sqlalchemy import select
from tests.support.clinic import Clinic, clear, clinic_at, prepare, wechat
from tests.support.clinic_v3 import V3_KEY, everything_v3
from tests.support.databases import sqlite_url
from tests.support.simulated import KEY
from tests.support.visitor import Visitor

from spcore.providers.models import Provider
from spsim.serve import Running

EMAIL, PASSWORD = "owner@example.com", "a long walk by the canal"
BASE = "/console/credentials"


@pytest.fixture(scope="module")
def where() -> Iterator[Running]:
    with wechat() as started:
        yield started


@pytest.fixture
async def clinic(tmp_path: Path, where: Running) -> AsyncIterator[Clinic]:
    """A provider on API v2 that has everything API v3 needs."""
    document = everything_v3(where)
    owner = {"email": EMAIL, "role": "provider_owner", "password": PASSWORD}
    document["providers"][0] |= {"api_version": "v2", "members": [owner]}
    url = sqlite_url(tmp_path)
    scopes = await prepare(url, where, document=document)
    async with clinic_at(url, where, scopes) as opened:
        yield opened
    clear(where, document)


@pytest.fixture
async def visitor(clinic: Clinic) -> AsyncIterator[Visitor]:
    async with httpx.AsyncClient(base_url=clinic.street, trust_env=False, timeout=30) as client:
        visitor = Visitor(cast("Any", client))
        await visitor.sign_in(EMAIL, PASSWORD)
        yield visitor


async def test_a_provider_moves_to_v3_once_wechat_found_everything_in_order(
    clinic: Clinic, visitor: Visitor
) -> None:
    url = f"{BASE}/api-version"
    page = (await visitor.get(url)).text
    asked = await visitor.post(f"{url}/check", page)
    assert asked.status_code == 200
    assert "微信支付回声测试" in asked.text
    assert "项失败" not in asked.text
    assert "未检查" not in asked.text

    done = await visitor.post(url, page, version="v3", reason="新订单改用 v3")

    assert done.status_code == 303
    assert "新订单：API v3" in (await visitor.get(url)).text
    query = select(Provider.api_version).where(Provider.id == clinic.provider.provider_id)
    async with clinic.services.database.read(clinic.provider) as session:
        assert await session.scalar(query) == "v3"


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("api_v2_key", V3_KEY, "它与现用的APIv3 密钥完全相同"),
        ("api_v3_key", KEY, "填错了位置：微信把它认作API v2 密钥"),
    ],
)
async def test_pain_21_a_key_in_the_other_ones_place_is_named_when_it_is_saved(
    visitor: Visitor, field: str, typed: str, told: str
) -> None:
    url = f"{BASE}/{field.replace('_', '-')}"
    taken = await visitor.post(url, (await visitor.get(url)).text, **{field: typed})
    report = (await visitor.get(taken.headers["location"])).text

    assert "演练未通过" in report
    assert told in report
    assert typed not in report
