"""Errors become problem details in one place, and nothing leaks on the way (RFC 9457, A02)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest
from litestar import Litestar, get
from litestar.exceptions import ValidationException
from litestar.testing import AsyncTestClient
from sqlalchemy.exc import OperationalError

import spapp.asgi  # loads every class of error there is
from spapp.web import problems, validation
from spcore.errors import DomainError, InvalidInput, Text
from sptenants.registry.access import access

SECRET = "CANARY-b7c1d2e3f4a59687"


def every_error(of: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for error in of.__subclasses__():
        yield error
        yield from every_error(error)


def test_every_error_of_ours_has_a_status_and_a_title() -> None:
    assert spapp.asgi.API_HANDLERS
    found = {error.code for error in every_error() if error.__module__.startswith(("sp", "wechatpay"))}
    assert len(found) > 10
    assert found <= problems.known_codes()


@get("/database-down", opt=access("public", "anyone"))
async def database_down() -> None:
    raise OperationalError("SELECT 1", {"password": SECRET}, ConnectionRefusedError(SECRET))


@get("/bug", opt=access("public", "anyone"))
async def bug() -> None:
    raise RuntimeError(SECRET)


@get("/extra", opt=access("public", "anyone"))
async def extra() -> None:
    raise DomainError(Text("不行", "no"), extra={"order_id": "ord_1", "wechat": {"code": "NOAUTH"}})


@pytest.fixture
async def failing(app: Litestar) -> AsyncIterator[AsyncTestClient[Litestar]]:
    for handler in (database_down, bug, extra):
        app.register(handler)
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        yield client


async def test_D06_a_database_that_is_down_is_503_with_a_time_to_come_back(
    failing: AsyncTestClient[Litestar],
) -> None:
    answer = await failing.get("/database-down")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert SECRET not in answer.text


async def test_A02_a_fault_of_ours_tells_callers_its_request_id_and_nothing_else(
    failing: AsyncTestClient[Litestar],
) -> None:
    answer = await failing.get("/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["request_id"] == answer.headers["request-id"]
    page = await failing.get("/bug", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert page.headers["request-id"] in page.text
    for text in (answer.text, page.text):
        assert SECRET not in text
        assert "Traceback" not in text
        assert "RuntimeError" not in text


async def test_members_of_an_error_stand_beside_the_usual_ones(failing: AsyncTestClient[Litestar]) -> None:
    body = (await failing.get("/extra", headers={"accept-language": "en"})).json()
    assert body == {
        "type": "/problems/invalid-request",
        "title": "The request is invalid",
        "status": 422,
        "detail": "no",
        "instance": "/extra",
        "code": "invalid_request",
        "request_id": body["request_id"],
        "errors": [],
        "wechat": {"code": "NOAUTH"},
        "order_id": "ord_1",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/no/such/thing", 404, "not_found"),
        ("PUT", "/v1/orders", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
async def test_the_frameworks_own_errors_read_like_ours(
    client: AsyncTestClient[Litestar], method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    if status == 405:
        assert "GET" in answer.headers["allow"] or "POST" in answer.headers["allow"]


async def test_a_problems_type_can_be_followed(client: AsyncTestClient[Litestar]) -> None:
    kind = (await client.get("/v1/nothing")).json()["type"]
    assert "404" in (await client.get(kind)).text
    assert (await client.get("/problems/no-such-problem")).status_code == 404


@pytest.mark.parametrize(
    ("message", "key", "pointer", "code"),
    [
        ("Object contains unknown field `colour`", "data", "#/colour", "unknown_field"),
        ("Object missing required field `code`", "data", "#/code", "missing"),
        ("Expected `str`, got `int` - at `$.sub_appid`", "sub_appid", "#/sub_appid", "wrong_type"),
        ("Expected `str` of length <= 64", "name", "#/name", "wrong_length"),
        ("Expected `int` >= 1", "limit", "#/limit", "out_of_range"),
        ("Expected `str` matching regex '^wx'", "sub_appid", "#/sub_appid", "invalid_format"),
        ("Invalid enum value 'x'", "kind", "#/kind", "not_allowed"),
        ("something new", "kind", "#/kind", "invalid"),
    ],
)
def test_a_validation_error_becomes_a_fault_in_both_languages(
    message: str, key: str, pointer: str, code: str
) -> None:
    raised = ValidationException(extra=[{"message": message, "key": key, "source": "body"}])
    refusal = validation.as_refusal(raised)
    assert isinstance(refusal, InvalidInput)
    (fault,) = refusal.faults
    assert (fault.pointer, fault.code) == (pointer, code)
    assert any("\u4e00" <= character <= "\u9fff" for character in fault.text.zh)
    assert fault.text.en.isascii()


def test_a_problem_is_strict_json() -> None:
    problem = problems.Problem(
        status=404, code="not_found", title="不存在", detail="…", request_id="req_1", instance="/x"
    )
    assert json.loads(problem.to_json())["errors"] == []
