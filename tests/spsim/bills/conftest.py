"""A simulator of both generations whose clock stands at noon in Beijing, with people of both providers."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from tests.support.simulated import MCH_ID, MERCHANT, Desk, blind
from tests.support.simulated_bills import own_tls_desk, until
from tests.support.simulated_v3 import Identity, V3Desk, document, identity, v3_desk_at

from spsim.app import create_simulator
from spsim.serve import Running, running, serving


@pytest.fixture(scope="session")
def identities() -> dict[str, Identity]:
    """The API certificate of each provider."""
    return {mch_id: identity(mch_id) for mch_id in (MCH_ID, MERCHANT)}


@pytest.fixture(scope="session")
def registered_both(tmp_path_factory: pytest.TempPathFactory, identities: dict[str, Identity]) -> Path:
    """Books that know the providers: made once, as their keys take time, and copied for every test."""
    database = tmp_path_factory.mktemp("spsim_bills") / "books.db"
    with running(database) as where, httpx.Client(trust_env=False, verify=blind()) as http:
        http.post(f"{where.url}/_sim/providers", json=document(identities)).raise_for_status()
    return database


@pytest.fixture
async def simulator(registered_both: Path, tmp_path: Path) -> AsyncIterator[Running]:
    """A simulator that knows the two providers."""
    async with serving(create_simulator(shutil.copy(registered_both, tmp_path))) as where:
        yield where


@pytest.fixture
async def desk(simulator: Running, identities: dict[str, Identity]) -> AsyncIterator[V3Desk]:
    """Somebody of the service provider, by either generation."""
    async with v3_desk_at(simulator, identities[MCH_ID]) as opened:
        yield opened


@pytest.fixture
async def merchant(simulator: Running, identities: dict[str, Identity]) -> AsyncIterator[V3Desk]:
    """Somebody of the plain merchant, at the same simulator."""
    async with v3_desk_at(simulator, identities[MERCHANT]) as opened:
        yield opened


@pytest.fixture
async def secure(simulator: Running, identities: dict[str, Identity], tmp_path: Path) -> AsyncIterator[Desk]:
    """The service provider at the TLS port, with its certificate."""
    async with own_tls_desk(simulator, identities[MCH_ID], tmp_path) as opened:
        yield opened


@pytest.fixture
async def today(desk: V3Desk) -> date:
    """Make it noon, far from every border of a day; return which day it is then."""
    return await until(desk, "12:00:00")
