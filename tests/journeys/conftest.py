"""One running installation for each kind of database, shared by the journeys of a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.databases import postgres_url, sqlite_url
from tests.support.installation import Installation, installed


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("house")
    url = sqlite_url(folder) if request.param == "sqlite" else postgres_url()
    with installed(folder, url) as made:
        yield made


@pytest.fixture(autouse=True)
def no_faults_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Faults are taken by whoever comes first, so none may outlive its test."""
    yield
    if "house" in request.fixturenames:
        made: Installation = request.getfixturevalue("house")
        made.clear_faults()
