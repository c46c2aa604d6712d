"""A person's phone with an authenticator, as far as pages know of it."""

from __future__ import annotations

import re

from httpx import Response
from tests.conftest import HeldClock
from tests.support.authenticator import code_at, wrong_code
from tests.support.visitor import Visitor

PAGE = "/account/second-factor"
SECRET = re.compile(r'id="secret">([A-Z2-7]{32})<')
CODES = re.compile(r"<li>((?:[A-Z2-7]{4}-){3}[A-Z2-7]{4})</li>")


class Phone:
    """Sets the second factor up through the pages and then knows the codes."""

    def __init__(self, visitor: Visitor, clock: HeldClock) -> None:
        self._visitor = visitor
        self._clock = clock
        self.secret = ""
        self.codes: list[str] = []

    async def begin(self) -> Response:
        page = await self._visitor.get(PAGE)
        assert (await self._visitor.post(PAGE, page.text)).headers["location"] == PAGE
        page = await self._visitor.get(PAGE)
        self.secret = SECRET.findall(page.text)[0]
        return page

    async def enrol(self) -> Response:
        page = await self.begin()
        done = await self._visitor.post(f"{PAGE}/confirm", page.text, code=self.code())
        self.codes = CODES.findall(done.text)
        self._clock.advance(seconds=60)
        return done

    async def give(self, code: str, page: str, wanted: str = "/") -> Response:
        return await self._visitor.post("/login/totp", page, code=code, next=wanted)

    def code(self) -> str:
        return code_at(self.secret, self._clock.now())

    def wrong(self) -> str:
        return wrong_code(self.secret, self._clock.now())
