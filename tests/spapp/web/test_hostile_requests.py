"""Requests that nobody sends by accident: they cost little, and none is an error of ours (X05, X11, Q01)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from tests.conftest import HeldClock
from tests.support.databases import postgres_url
from tests.support.visitor import PUBLIC_URL, SAME_ORIGIN, site

from spapp.web import json_body, metrics
from spapp.web.problems import MalformedJson
from spcore.errors import InvalidInput
from sptenants.orders import intake

MOST_NAMES = 26_000
"""About as many as fit into the largest body."""


@pytest.fixture
def on_postgresql(clock: HeldClock) -> Litestar:
    """SQLite takes a NUL byte for a character like any other; PostgreSQL refuses the statement."""
    return site(postgres_url(), clock)


@pytest.fixture
async def postgres_client(on_postgresql: Litestar) -> AsyncIterator[AsyncTestClient[Litestar]]:
    async with AsyncTestClient(on_postgresql, base_url=PUBLIC_URL) as opened:
        yield opened


def test_X11_a_name_given_twice_after_many_others_is_found_in_one_pass() -> None:
    """The body is looked at before any key, so a slow look would be everybody's to ask for."""
    names = [f'"{number:x}":1' for number in range(MOST_NAMES)]
    body = ("{" + ",".join([*names, names[-1]]) + "}").encode()
    began = time.process_time()
    with pytest.raises(MalformedJson) as refused:
        json_body.check(body)
    assert time.process_time() - began < 2
    assert f"'{MOST_NAMES - 1:x}'" in refused.value.text.en


@pytest.mark.parametrize(
    "query",
    [
        pytest.param([("merchant_order_no", "A\0B")], id="NUL"),
        pytest.param([("limit", "1"), ("limit", "1")], id="twice"),
    ],
)
def test_a_query_that_no_database_can_be_asked_names_its_field(query: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidInput) as refused:
        intake.read_list_query(query)
    assert [fault.pointer for fault in refused.value.faults] == [f"#/{query[0][0]}"]


async def test_a_nul_byte_in_a_form_is_a_wrong_value_and_no_error(
    postgres_client: AsyncTestClient[Litestar],
) -> None:
    token = (await postgres_client.get("/login")).cookies["wxsp-csrf"]
    for fields in (
        {"email": "a\0@example.com", "password": "x"},
        {"email": "a@example.com", "password": "\0"},
    ):
        form = fields | {"csrf_token": token}
        assert (await postgres_client.post("/login", data=form, headers=SAME_ORIGIN)).status_code == 401


async def test_a_nul_byte_in_an_address_is_not_found(postgres_client: AsyncTestClient[Litestar]) -> None:
    for path in ("/setup/a%00b", "/notify/wechat/a%00b/v2/payment", "/v1/orders/ord_%00", "/m/orders/%00"):
        for method in ("GET", "POST"):
            answer = await postgres_client.request(method, path)
            assert answer.status_code in {404, 405}, (method, path)


async def test_invented_methods_are_measured_as_one(client: AsyncTestClient[Litestar]) -> None:
    for number in range(5):
        assert (await client.request(f"INVENTED{number}", "/healthz")).status_code == 405
    measured = {
        sample.labels["method"]
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        if "method" in sample.labels
    }
    assert "other" in measured
    assert not any(method.startswith("INVENTED") for method in measured)
