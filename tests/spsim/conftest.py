"""A running simulator with its providers, and a notify URL."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.simulated import MCH_ID, MERCHANT, PROVIDERS, Desk, Receiver, blind, desk_at
from tests.support.simulated_money import Certificate, client_certificate, tls_desk_at

from spsim.app import create_simulator
from spsim.serve import Running, running, serving


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    """The client certificate of each provider."""
    folder = tmp_path_factory.mktemp("certificates")
    return {mch_id: client_certificate(folder, mch_id) for mch_id in (MCH_ID, MERCHANT)}


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory, certificates: dict[str, Certificate]) -> Path:
    """Books that know the providers: made once, as their keys take time, and copied for every test."""
    database = tmp_path_factory.mktemp("spsim") / "books.db"
    known = [
        provider | {"client_cert_pem": certificates[provider["mch_id"]].pem}
        for provider in PROVIDERS["providers"]
    ]
    with running(database) as where, httpx.Client(trust_env=False, verify=blind()) as http:
        http.post(f"{where.url}/_sim/providers", json={"providers": known}).raise_for_status()
    return database


@pytest.fixture
async def desk(registered: Path, tmp_path: Path) -> AsyncIterator[Desk]:
    """A simulator that knows the two providers, with somebody to call it."""
    database = shutil.copy(registered, tmp_path)
    async with serving(create_simulator(database)) as where, desk_at(where) as opened:
        yield opened


@pytest.fixture
async def secure(desk: Desk, certificates: dict[str, Certificate]) -> AsyncIterator[Desk]:
    """The same simulator by its TLS port, with the provider's own certificate."""
    async with tls_desk_at(desk.where, certificates[MCH_ID]) as opened:
        yield opened


@pytest.fixture(scope="session")
def untouched(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A simulator shared by the tests whose every call is refused."""
    database = shutil.copy(registered, tmp_path_factory.mktemp("untouched"))
    with running(database) as where:
        yield where


@pytest.fixture
async def refusing(untouched: Running) -> AsyncIterator[Desk]:
    """A desk at the shared simulator; a test that left an order behind would fail the next ones too."""
    async with desk_at(untouched) as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A notify URL that says SUCCESS unless told otherwise."""
    async with Receiver().listening() as opened:
        yield opened
