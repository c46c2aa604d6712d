"""The real application over an empty database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from tests.conftest import HeldClock
from tests.support.databases import sqlite_url
from tests.support.visitor import PUBLIC_URL, site_environment

from spapp.asgi import create_app
from spapp.wiring import build
from spcore.settings import Settings


@pytest.fixture
def app(tmp_path: Path, clock: HeldClock) -> Litestar:
    """One that nobody else has: tests here add routes of their own."""
    settings = Settings.from_env(site_environment(sqlite_url(tmp_path)))
    return create_app(settings, build(settings, clock))


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[AsyncTestClient[Litestar]]:
    async with AsyncTestClient(app, base_url=PUBLIC_URL) as opened:
        yield opened
