"""Makes the zip: the files of `templates/kit_files` as they are, and a few with the tenant's facts in them.

Code is the same for everybody, byte for byte; facts stand in `config.js` and in JSON files as JSON values,
and in the readme as escaped Markdown, so that no name can become code. The same facts give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from spapp.kit.api_files import as_file, postman, tenant_api
from spapp.kit.facts import API_VERSION, KIT_VERSION, KitFacts
from spapp.kit.scanner import like_secrets
from spapp.resources import resource

FOLDER = "wxsp-kit"
README = "README.md"
CHECKSUMS = "CHECKSUMS.txt"

_SOURCES = "kit_files"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest moment a zip can name; a real one would make every kit differ."""
_MODE = 0o644 << 16
_UNIX = 3
_IN_BOTH = ("pay.js", "config.js")
"""The example is a project of its own and cannot reach above its root."""

_CONFIG_HEAD = "'use strict';\n\n// Public values only; there is no key in a mini-program.\n"

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>])")


class UnsafeKit(RuntimeError):
    """Something that looks like a secret would have gone out. The message names files, never the value."""


def build(facts: KitFacts, document: Mapping[str, Any]) -> bytes:
    """Return the zip of this tenant; `document` is the installation's OpenAPI document.

    Raises UnsafeKit when anything in it looks like a secret.
    """
    files = contents(facts, document)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            archive.writestr(entry, content)
    return written.getvalue()


def contents(facts: KitFacts, document: Mapping[str, Any]) -> dict[str, bytes]:
    """Return every file of the kit by its path inside. Raises what `build` raises."""
    files = dict(_fixed_files())
    api = tenant_api(document, facts)
    files["config.js"] = _config(facts)
    files["example/project.config.json"] = as_file(_project(facts))
    files["openapi.json"] = as_file(api)
    files["postman.json"] = as_file(postman(api, facts))
    for name in _IN_BOTH:
        files[f"example/wxsp/{name}"] = files[name]
    files[README] = _readme(facts)
    if unsafe := like_secrets(files, _public(facts)):
        raise UnsafeKit(f"the kit would hold what looks like a secret: {', '.join(unsafe)}")
    files[CHECKSUMS] = _checksums(files)
    return files


@cache
def _fixed_files() -> Mapping[str, bytes]:
    root = resource("templates") / _SOURCES
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".j2"
    }


def _config(facts: KitFacts) -> bytes:
    values = {
        "apiBase": facts.api_base,
        "tenantId": facts.tenant_id,
        "subAppid": facts.chosen or "",
        "mode": facts.mode,
    }
    # ASCII only: U+2028 inside a string would end a line for an engine older than ES2019.
    written = json.dumps(values, indent=2)
    return (_CONFIG_HEAD + f"module.exports = {written};\n").encode()


def _project(facts: KitFacts) -> dict[str, Any]:
    return {
        "appid": facts.chosen or "touristappid",
        "projectname": "wxsp-example",
        "compileType": "miniprogram",
        "setting": {"es6": True, "urlCheck": facts.domain_fault is None},
        "miniprogramRoot": "./",
    }


def _readme(facts: KitFacts) -> bytes:
    text = (
        _environment()
        .get_template("README.md.j2")
        .render(facts=facts, kit_version=KIT_VERSION, api_version=API_VERSION)
    )
    return text.encode()


@cache
def _environment() -> Environment:
    # Markdown, not HTML: names go through `plain`, everything else is ours or checked by its type.
    made = Environment(  # noqa: S701
        loader=FileSystemLoader(resource("templates") / _SOURCES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["plain"] = plain
    return made


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: on one line, with nothing marked up, linked or run."""
    single = " ".join(text.split())
    return _MARKDOWN.sub(r"\\\1", single.replace("&", "&amp;").replace("<", "&lt;"))


def _public(facts: KitFacts) -> list[str]:
    """Return what may look like anything at all, being names that people chose."""
    return [plain(facts.tenant_name), facts.tenant_name, *facts.price_codes, facts.api_base]


def _checksums(files: Mapping[str, bytes]) -> bytes:
    lines = [f"# wxsp-kit {KIT_VERSION}, API {API_VERSION}; check with: sha256sum --check {CHECKSUMS}"]
    lines += [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in sorted(files.items())]
    return ("\n".join(lines) + "\n").encode()
