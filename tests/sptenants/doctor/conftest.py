"""WeChat once for all tests of the doctor, and a platform for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.support.clinic import Clinic, clear, clinic_at, wechat

from spsim.serve import Running


@pytest.fixture(scope="module")
def where() -> Iterator[Running]:
    with wechat() as started:
        yield started


@pytest.fixture
async def clinic(database_url: str, where: Running) -> AsyncIterator[Clinic]:
    async with clinic_at(database_url, where) as opened:
        yield opened
    clear(where)
