"""A simulator whose providers have API v3, in public-key mode unless a test says else."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.simulated import MCH_ID, MERCHANT, blind
from tests.support.simulated_v3 import Identity, V3Desk, document, identity, v3_desk_at

from spsim.app import create_simulator
from spsim.serve import Running, running, serving


@pytest.fixture(scope="session")
def identities() -> dict[str, Identity]:
    """The API certificate of each provider."""
    return {mch_id: identity(mch_id) for mch_id in (MCH_ID, MERCHANT)}


@pytest.fixture(scope="session")
def stranger() -> Identity:
    """A certificate that WeChat does not know."""
    return identity(MCH_ID)


@pytest.fixture(scope="session")
def registered_v3(tmp_path_factory: pytest.TempPathFactory, identities: dict[str, Identity]) -> Path:
    """Books that know the providers: made once, as their keys take time, and copied for every test."""
    database = tmp_path_factory.mktemp("spsim_v3") / "books.db"
    with running(database) as where, httpx.Client(trust_env=False, verify=blind()) as http:
        http.post(f"{where.url}/_sim/providers", json=document(identities)).raise_for_status()
    return database


@pytest.fixture
async def simulator(registered_v3: Path, tmp_path: Path) -> AsyncIterator[Running]:
    """A simulator that knows the two providers."""
    async with serving(create_simulator(shutil.copy(registered_v3, tmp_path))) as where:
        yield where


@pytest.fixture
async def v3(simulator: Running, identities: dict[str, Identity]) -> AsyncIterator[V3Desk]:
    """Somebody of the service provider."""
    async with v3_desk_at(simulator, identities[MCH_ID]) as desk:
        yield desk


@pytest.fixture
async def merchant(simulator: Running, identities: dict[str, Identity]) -> AsyncIterator[V3Desk]:
    """Somebody of the plain merchant, at the same simulator."""
    async with v3_desk_at(simulator, identities[MERCHANT]) as desk:
        yield desk


@pytest.fixture(scope="session")
def unchanged(registered_v3: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A simulator shared by the tests whose every call is refused."""
    database = shutil.copy(registered_v3, tmp_path_factory.mktemp("unchanged_v3"))
    with running(database) as where:
        yield where


@pytest.fixture
async def refusing(unchanged: Running, identities: dict[str, Identity]) -> AsyncIterator[V3Desk]:
    """A desk at the shared simulator."""
    async with v3_desk_at(unchanged, identities[MCH_ID]) as desk:
        yield desk
