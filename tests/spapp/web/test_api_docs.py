"""The API's description: valid, public, complete, with an example for everything (contract section 5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from spapp.web import guards
from spapp.web.api_examples import example_of


@pytest.fixture
async def document(client: AsyncTestClient[Litestar]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def test_it_holds_exactly_the_public_api(app: Litestar, document: dict[str, Any]) -> None:
    described = {(method, path) for method, path, _ in operations(document)}
    public = {(r.method, r.path) for r in guards.routes(app) if r.area in {"api", "mini"}}
    assert described == public
    assert document["openapi"].startswith("3.1")


def test_S16_it_tells_nothing_of_pages_or_notify_addresses(document: dict[str, Any]) -> None:
    assert all(path.startswith("/v1/") for path in document["paths"])
    assert "/notify" not in json.dumps(document)


def test_every_operation_says_who_may_call_and_how_errors_look(
    app: Litestar, document: dict[str, Any]
) -> None:
    roles = {(route.method, route.path): set(route.roles) for route in guards.routes(app)}
    for method, path, operation in operations(document):
        named = {name for choice in operation["security"] for name in choice}
        assert named == roles[method, path] - {"anyone"}, path
        assert operation["summary"], path
        assert "application/problem+json" in operation["responses"]["default"]["content"], path


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for reference in references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def test_every_request_and_answer_has_an_example(document: dict[str, Any]) -> None:
    missing = []
    for method, path, operation in operations(document):
        bodies = {"request": operation.get("requestBody", {}).get("content", {})}
        bodies |= {status: answer.get("content", {}) for status, answer in operation["responses"].items()}
        for what, content in bodies.items():
            for media in content.values():
                if not (media.get("example") is not None or media.get("examples")):
                    missing.append(f"{method} {path} {what}")
    assert missing == []


def test_examples_have_the_shape_of_what_they_show(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    order = example_of({"$ref": "#/components/schemas/OrderObject"}, schemas)
    assert order["object"] == "order"
    assert type(order["amount"]) is int
    assert schemas["OrderObject"]["required"]
    assert set(schemas["OrderObject"]["required"]) <= order.keys()
    assert example_of({"type": "array", "items": {"enum": ["a", "b"]}}, schemas) == ["a"]
    assert example_of({"oneOf": [{"type": "integer"}, {"type": "null"}]}, schemas) == 1


async def test_the_page_loads_nothing_from_elsewhere(client: AsyncTestClient[Litestar]) -> None:
    page = (await client.get("/docs")).text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) == 5
    for address in addresses:
        assert address.startswith("/")
        assert not address.startswith("//")
        assert (await client.get(address)).status_code == 200
