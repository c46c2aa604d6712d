"""A person with an authenticator in front of the real account services."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from tests.conftest import HeldClock
from tests.support.authenticator import code_at, wrong_code

from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import Accounts, SignedIn, Staff, Visitor
from spcore.audit.models import AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope

EMAIL, OTHER = "root@example.com", "second@example.com"
PASSWORD = "correct horse battery staple"
HOME = Visitor("203.0.113.7", "Firefox", "req_1")
ELSEWHERE = Visitor("198.51.100.9", "curl")


@dataclass
class Desk:
    """One administrator with an authenticator, in front of the real services."""

    database: Database
    clock: HeldClock
    accounts: Accounts
    factors: SecondFactors
    secret: str = ""
    codes: tuple[str, ...] = ()

    async def sign_in(self, email: str = EMAIL, visitor: Visitor = HOME) -> SignedIn:
        return await self.accounts.sign_in(email, PASSWORD, visitor)

    async def begin(self, staff: Staff) -> str:
        await self.factors.begin(staff, HOME)
        enrolment = (await self.factors.standing(staff)).enrolment
        assert enrolment is not None
        return enrolment.secret

    async def enrol(self, email: str = EMAIL) -> SignedIn:
        """Set the second factor up and let the code that did it pass by."""
        opened = await self.sign_in(email)
        self.secret = await self.begin(opened.staff)
        enrolled = await self.factors.confirm(opened.staff, opened.token, self.code(), HOME)
        self.codes = enrolled.recovery_codes
        self.clock.advance(seconds=60)
        return enrolled.opened

    async def verify(self, opened: SignedIn, code: str, visitor: Visitor = HOME) -> SignedIn:
        return await self.factors.verify(opened.staff, opened.token, code, visitor)

    def code(self, steps: int = 0) -> str:
        return code_at(self.secret, self.clock.now(), steps=steps)

    @property
    def wrong(self) -> str:
        return wrong_code(self.secret, self.clock.now())

    async def actions(self) -> list[str]:
        async with self.database.read(PlatformScope("test")) as session:
            return list((await session.scalars(select(AuditRow.action).order_by(AuditRow.seq))).all())
