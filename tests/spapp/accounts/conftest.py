"""Account services over a real database."""

from __future__ import annotations

import pytest
from tests.conftest import HeldClock
from tests.support.factor_desk import EMAIL, OTHER, PASSWORD, Desk

from spapp.accounts.people import People
from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import Accounts
from spcore.audit.actor import SYSTEM
from spcore.db.engine import Database
from spcore.vault import Vault


@pytest.fixture
async def desk(database: Database, clock: HeldClock) -> Desk:
    accounts = Accounts(database, clock)
    people = People(database, clock, accounts)
    for email in (EMAIL, OTHER):
        await people.create_admin(email, SYSTEM, password=PASSWORD)
    factors = SecondFactors(database, clock, Vault([bytes(range(32))]), accounts, issuer="wxsp pay.example")
    return Desk(database, clock, accounts, factors)
