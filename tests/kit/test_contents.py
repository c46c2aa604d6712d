"""What lies in a kit: everything a merchant's developer needs, and nothing secret (B-14, S1-24)."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.kit.conftest import NODE, NODE_TESTS
from tests.support.installation import COFFEE, COFFEE_APP, COFFEE_PAGE, SHARED_APP, Installation
from tests.support.shop import HOSTILE_NAME, LONG_NAME

from spapp.console.kit.views import INSIDE
from spapp.kit.builder import CHECKSUMS, FOLDER, UnsafeKit, build, contents, plain
from spapp.kit.facts import KitBinding, KitFacts
from spapp.kit.scanner import like_secrets

TENANT = "ten_01JD3K8W7Q4M6X0B2T9V5H1CZN"
FACTS = KitFacts(
    tenant_id=TENANT,
    tenant_name="晨曦咖啡",
    sub_mch_id="1600000021",
    mode="live",
    api_base="https://pay.example.com",
    bindings=(
        KitBinding(COFFEE_APP, "miniprogram", "merchant", "verified", has_secret=True),
        KitBinding(COFFEE_PAGE, "official_account", "merchant", "verified", has_secret=False),
    ),
    chosen=COFFEE_APP,
    price_codes=("latte", "mocha"),
)
CANARY = "k7QwZ2mN9xR4tV6bY8cD1fG3hJ5lP0sA"


@pytest.fixture(scope="session")
def document(house: Installation) -> dict[str, Any]:
    found: dict[str, Any] = house.api.get("/openapi.json").json()
    return found


def test_it_opens_and_holds_what_was_promised(document: dict[str, Any]) -> None:
    with zipfile.ZipFile(io.BytesIO(build(FACTS, document))) as archive:
        assert archive.testzip() is None
        names = {name.removeprefix(f"{FOLDER}/") for name in archive.namelist()}

    assert {
        "README.md",
        "pay.js",
        "pay.d.ts",
        "config.js",
        "example/app.json",
        "example/project.config.json",
        "example/pages/pay/pay.wxml",
        "server/python/server.py",
        "server/node/server.js",
        "server/php/server.php",
        "server/java/Server.java",
        "postman.json",
        "openapi.json",
        "CHECKSUMS.txt",
    } <= names
    described = [part.strip() for name, _words in INSIDE for part in name.split(",")]
    unsaid = [name for name in names if not any(name == part or name.startswith(part) for part in described)]
    assert unsaid == []


def test_the_same_facts_give_the_same_bytes(document: dict[str, Any]) -> None:
    assert build(FACTS, document) == build(replace(FACTS), json.loads(json.dumps(document)))
    assert build(FACTS, document) != build(replace(FACTS, chosen=None), document)


def test_checksums_are_those_of_the_files(document: dict[str, Any]) -> None:
    files = contents(FACTS, document)

    head, *lines = files[CHECKSUMS].decode().splitlines()

    assert re.fullmatch(r"# wxsp-kit \d+\.\d+\.\d+, API v1; .+", head)
    told = dict(reversed(line.split("  ", 1)) for line in lines)
    assert told == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != CHECKSUMS
    }


def test_the_client_is_one_small_file_without_dependencies(document: dict[str, Any]) -> None:
    source = contents(FACTS, document)["pay.js"].decode()

    assert source.count("\n") <= 200
    assert "require(" not in source
    assert "import " not in source
    later = (r"\?\.", r"\?\?", r"\{\s*\.\.\.", r"\.finally\(", r"catch \{", r"\bBigInt\b", r"\.at\(")
    assert [syntax for syntax in later if re.search(syntax, source)] == [], "newer than ES2017"


def test_the_configuration_is_written_for_the_chosen_mini_program(document: dict[str, Any]) -> None:
    other = replace(FACTS, chosen=COFFEE_PAGE, api_base="https://pay.example.com/base")

    read = _config(contents(other, document)["config.js"].decode())

    assert read == {
        "apiBase": "https://pay.example.com/base",
        "tenantId": TENANT,
        "subAppid": COFFEE_PAGE,
        "mode": "live",
    }


def _config(source: str) -> Any:
    return json.loads(source[source.index("{") :].rstrip().rstrip(";"))


def test_the_readme_is_filled_in_for_this_tenant(document: dict[str, Any]) -> None:
    readme = contents(FACTS, document)["README.md"].decode()

    for known in (TENANT, COFFEE_APP, COFFEE_PAGE, "https://pay.example.com", "`latte`", "request 合法域名"):
        assert known in readme
    assert "English" in readme
    assert "不是 HTTPS" not in readme
    local = contents(replace(FACTS, api_base="http://127.0.0.1:8000"), document)["README.md"].decode()
    assert "不是 HTTPS" in local


@pytest.mark.parametrize(
    "name",
    [
        HOSTILE_NAME,
        LONG_NAME,
        "*/ }); require('child_process') /*",
        "`id` $(id) ${id} {{ facts }} {% raw %}",
        "a\u2028b\nc\r\n# d",
        "[x](javascript:alert(1)) ![y](z) | 100%",
        CANARY,
    ],
)
def test_no_name_becomes_code(document: dict[str, Any], name: str) -> None:
    plain_files = contents(FACTS, document)
    files = contents(replace(FACTS, tenant_name=name), document)

    changed = {path for path in files if files[path] != plain_files[path]}
    assert changed <= {"README.md", "postman.json", CHECKSUMS}
    assert json.loads(files["postman.json"])["info"]["name"] == f"wxsp {name}"
    readme = files["README.md"].decode()
    assert readme.count("\n") == plain_files["README.md"].decode().count("\n")
    assert "<script" not in readme
    assert "](javascript:" not in readme


def test_markdown_shows_a_name_as_it_is() -> None:
    assert plain("a | b\n*c* <d> `e`") == "a \\| b \\*c\\* &lt;d\\> \\`e\\`"


def test_the_api_files_hold_the_merchants_routes_and_no_others(document: dict[str, Any]) -> None:
    files = contents(FACTS, document)
    api, collection = json.loads(files["openapi.json"]), json.loads(files["postman.json"])

    assert {"/v1/orders", "/v1/mini/{tenant_id}/sessions", "/v1/refunds"} <= api["paths"].keys()
    assert not [path for path in api["paths"] if path.startswith("/v1/tenants")]
    assert api["servers"] == [{"url": "https://pay.example.com"}]
    assert "provider_key" not in api["components"]["securitySchemes"]
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', files["openapi.json"].decode()))
    assert referred == api["components"]["schemas"].keys()
    requests = [each for folder in collection["item"] for each in folder["item"]]
    assert len(requests) == sum(len(operations) for operations in api["paths"].values())
    variables = {each["key"]: each["value"] for each in collection["variable"]}
    assert variables["apiKey"] == variables["sessionToken"] == ""
    used = set(re.findall(r"\{\{(\w+)\}\}", json.dumps(collection["item"])))
    assert {"apiBase", "tenant_id", "apiKey", "sessionToken"} <= used


def test_S1_24_nothing_in_a_real_kit_is_secret(kit: Path, house: Installation) -> None:
    files = {
        path.relative_to(kit).as_posix(): path.read_bytes()
        for path in kit.rglob("*")
        if path.is_file() and path.name != CHECKSUMS
    }
    everything = b"".join(files.values()).decode()
    (provider,) = [each for each in house.document["providers"] if each["mch_id"] == "1900000109"]
    coffee = house.tenants[COFFEE]
    canaries = [
        coffee.key,
        coffee.notify_url,
        coffee.notify_url.split("/notify/wechat/")[1].split("/")[0],
        house.env["WXSP_MASTER_KEY"],
        house.provider_keys["1900000109"],
        provider["api_v2_key"],
        provider["client_key_pem"].split("\n")[1],
        provider["client_cert_pem"].split("\n")[1],
        *(each["app_secret"] for each in provider["tenants"][0]["bindings"] if "app_secret" in each),
    ]

    assert len(canaries) >= 10
    assert [canary for canary in canaries if canary in everything] == []
    assert like_secrets(files) == []
    assert "山野花店" not in everything, "another tenant"


@pytest.mark.parametrize(
    "secret",
    [
        "wsk_live_abcdefgh12345678",
        "wst_01JD3K8W7Q4M6X0B2T9V5H1CZNq0m4Xb7Tz1",
        "whsec_bXlzZWNyZXRteXNlY3JldA==",
        CANARY,
        "5d41402abc4b2a76b9719d911017c592",
        "-----BEGIN RSA PRIVATE KEY-----",
        "https://pay.example.com/notify/wechat/abcdefghijklmnop1234/v2/payment",
    ],
)
def test_B14_a_kit_with_something_secret_is_never_made(document: dict[str, Any], secret: str) -> None:
    leaking = json.loads(json.dumps(document))
    leaking["info"]["description"] = f"see {secret}"

    assert like_secrets({"x": f"see {secret}".encode()}) != []
    assert secret not in _made_or_refused(leaking)


def _made_or_refused(document: dict[str, Any]) -> str:
    """What of it would go out: examples are shortened, and what cannot be is refused."""
    try:
        return contents(FACTS, document)["openapi.json"].decode()
    except UnsafeKit as refused:
        return str(refused)


def test_the_command_line_chooses_the_mini_program_and_refuses_others(
    house: Installation, tmp_path: Path
) -> None:
    tenant, file = house.tenants[COFFEE].id, tmp_path / "kit.zip"

    made = house.ask("kit", "build", "--tenant", tenant, "--appid", SHARED_APP, "--out", str(file))

    assert (made["sub_appid"], made["bytes"]) == (SHARED_APP, file.stat().st_size)
    for wrong in ((tenant, "--appid", COFFEE_PAGE), ("ten_0",)):
        refused = house.command("kit", "build", "--out", str(tmp_path / "no.zip"), "--tenant", *wrong)
        assert refused.returncode == 1
    assert not (tmp_path / "no.zip").exists()


@pytest.fixture(scope="session")
def typescript() -> Path:
    compiler = NODE_TESTS / "node_modules" / "typescript" / "bin" / "tsc"
    assert compiler.exists(), "npm packages of the tests are missing: run `make test`, which installs them"
    return compiler


@pytest.mark.parametrize(
    ("file", "options"),
    [
        pytest.param("usage.ts", ("--strict",), id="types"),
        pytest.param("pay.js", ("--allowJs", "--checkJs"), id="ES2017 only"),
    ],
)
def test_the_types_fit_and_the_client_needs_nothing_newer(
    kit: Path, typescript: Path, tmp_path: Path, file: str, options: tuple[str, ...]
) -> None:
    (tmp_path / "node_modules").symlink_to(NODE_TESTS / "node_modules")
    sources = ("pay.d.ts", "usage.ts") if file == "usage.ts" else ("pay.js",)
    for name in sources:
        source = NODE_TESTS / name if name == "usage.ts" else kit / name
        (tmp_path / name).write_bytes(source.read_bytes())
    common = ("--noEmit", "--target", "es2017", "--lib", "es2017", "--module", "commonjs")
    types = ("--types", "miniprogram-api-typings")

    done = subprocess.run(
        [*NODE, str(typescript), *common, *types, *options, file],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout.decode()
