"""An example for every request and answer, put together from the examples of the fields.

So an example cannot fall behind its schema; a field that gives none is filled with its default, the first
allowed value, or a plain value of its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REFERENCE = "#/components/schemas/"
_PLAIN: Mapping[str, Any] = {"string": "…", "integer": 1, "number": 1, "boolean": True, "null": None}


def add_examples(document: dict[str, Any]) -> None:
    """Give every body of an OpenAPI document that has no example one, in place."""
    schemas = document["components"]["schemas"]
    for item in document["paths"].values():
        for operation in item.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                for media in body.get("content", {}).values():
                    if "example" not in media and not media.get("examples"):
                        media["example"] = example_of(media["schema"], schemas)


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Return a value that fits `schema`, as near to real as its fields allow."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].removeprefix(_REFERENCE)], schemas)
    for ready in ("example", "const", "default"):
        if ready in schema:
            return schema[ready]
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    for choices in ("oneOf", "anyOf", "allOf"):
        if schema.get(choices):
            return example_of(schema[choices][0], schemas)
    return _composed(schema, schemas)


def _composed(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "array":
        return [example_of(schema["items"], schemas)]
    if kind == "object":
        return {name: example_of(part, schemas) for name, part in schema.get("properties", {}).items()}
    return _PLAIN.get(str(kind), {})
