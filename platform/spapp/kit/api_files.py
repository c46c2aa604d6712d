"""The API as files of the kit: what a merchant calls of the OpenAPI document, and the same for Postman."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from spapp.kit.facts import KIT_VERSION, KitFacts

_CALLERS = frozenset({"tenant_key", "mini_session"})
_MINI = "/v1/mini/"
_REFERENCE = "#/components/schemas/"
_EXAMPLE_SECRET = re.compile(r"\b(wst|whsec|wsk_(?:test|live)|wpk_(?:test|live))_[\w+/=]{8,}")
_LONG_EXAMPLE = re.compile(r"(?<![\w/+])[0-9A-Za-z]{32}(?![\w/+])")
_VARIABLE = re.compile(r"\{(\w+)\}")


def tenant_api(document: Mapping[str, Any], facts: KitFacts) -> dict[str, Any]:
    """Return the routes of a merchant's server and of its mini-program, at this installation's address.

    Tokens of the document's examples are shortened, so that nothing in a kit looks like a secret.
    """
    paths: dict[str, Any] = {}
    for path, operations in document["paths"].items():
        kept = {method: each for method, each in operations.items() if _is_for_tenants(path, each)}
        if kept:
            paths[path] = kept
    schemas = document["components"]["schemas"]
    named = _reachable(paths, schemas)
    securities = document["components"]["securitySchemes"]
    made = {
        "openapi": document["openapi"],
        "info": document["info"],
        "servers": [{"url": facts.api_base}],
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(named)},
            "securitySchemes": {name: securities[name] for name in sorted(_CALLERS)},
        },
    }
    plain: dict[str, Any] = _without_secrets(made)
    return plain


def postman(api: Mapping[str, Any], facts: KitFacts) -> dict[str, Any]:
    """Return a Postman collection (v2.1) of the same routes; keys are variables that start empty."""
    folders: dict[str, list[dict[str, Any]]] = {}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            folder = "mini-program" if path.startswith(_MINI) else "server"
            folders.setdefault(folder, []).append(_request(path, method, operation))
    variables = {
        "apiBase": facts.api_base,
        "tenant_id": facts.tenant_id,
        "apiKey": "",
        "sessionToken": "",
    }
    return {
        "info": {
            "name": f"wxsp {facts.tenant_name}",
            "description": f"kit {KIT_VERSION}",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "item": [{"name": name, "item": items} for name, items in sorted(folders.items())],
        "variable": [{"key": key, "value": value} for key, value in variables.items()],
    }


def as_file(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _is_for_tenants(path: str, operation: Mapping[str, Any]) -> bool:
    callers = {name for each in operation["security"] for name in each}
    return bool(callers & _CALLERS) or (path.startswith(_MINI) and not callers)


def _reachable(start: Any, schemas: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    waiting = list(_references(start))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(schemas[name])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(_REFERENCE):
            yield reference.removeprefix(_REFERENCE)
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    if isinstance(value, str):
        return _LONG_EXAMPLE.sub("…", _EXAMPLE_SECRET.sub(r"\1_…", value))
    return value


def _request(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    filled = _VARIABLE.sub(r"{{\1}}", path)
    of_mini_program = path.startswith(_MINI)
    request: dict[str, Any] = {
        "method": method.upper(),
        "url": f"{{{{apiBase}}}}{filled}",
        "header": [],
    }
    if operation["security"]:
        token = "{{sessionToken}}" if of_mini_program else "{{apiKey}}"
        request["auth"] = {"type": "bearer", "bearer": [{"key": "token", "value": token, "type": "string"}]}
    else:
        request["auth"] = {"type": "noauth"}
    if (example := _body_example(operation)) is not None:
        request["header"].append({"key": "Content-Type", "value": "application/json"})
        request["body"] = {"mode": "raw", "raw": json.dumps(example, ensure_ascii=False, indent=1)}
    return {"name": operation.get("summary") or f"{method.upper()} {path}", "request": request}


def _body_example(operation: Mapping[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in content:
        return content["example"]
    examples = content.get("examples", {})
    return next((each["value"] for each in examples.values() if "value" in each), None)
