"""The command line in this process, over the lived-in installation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support.databases import sqlite_url
from tests.support.lived_in import move_in
from tests.support.shop import Shop
from tests.support.visitor import site_environment

from spapp.cli import main

NOW = datetime.now(UTC)
"""Programs look at the clock of the machine."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """Whoever runs the machine, in front of the shop."""

    environment: dict[str, str]
    shop: Shop

    @property
    def provider_id(self) -> str:
        return self.shop.providers[0].provider_id

    def run(self, *words: str, given: bytes | None = None) -> Result:
        return CliRunner().invoke(main, words, env=self.environment, input=given)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    url = sqlite_url(tmp_path)
    shop = asyncio.run(move_in(url, NOW, plain_orders=1))
    return Terminal(site_environment(url), shop)
