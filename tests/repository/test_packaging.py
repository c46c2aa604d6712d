"""What gets installed: locks, the wheel, the vendored files, and the targets of the Makefile."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "platform" / "spapp" / "static" / "vendor"
RUNTIME_LOCK = ROOT / "requirements.lock"
DEVELOPMENT_LOCK = ROOT / "requirements-dev.lock"
NPM_LOCK = ROOT / "tests" / "node" / "package-lock.json"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def locked(path: Path) -> dict[str, tuple[str, int]]:
    """Name -> (version, number of hashes) of a lock file; fails on any line that is something else."""
    packages: dict[str, tuple[str, int]] = {}
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")):
        match = re.fullmatch(r"([a-z0-9-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", line)
        assert match, f"{path.name}: not a pinned and hashed requirement: {line[:80]}"
        packages[match[1]] = (match[2], match[3].count("--hash"))
    return packages


def declared(requirements: list[str]) -> set[str]:
    names = {re.split(r"[\[<>=~!; ]", requirement, maxsplit=1)[0] for requirement in requirements}
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


@pytest.mark.parametrize("path", [RUNTIME_LOCK, DEVELOPMENT_LOCK], ids=lambda path: path.name)
def test_every_locked_requirement_is_pinned_and_hashed(path: Path) -> None:
    assert len(locked(path)) > 20


@pytest.mark.parametrize("path", [RUNTIME_LOCK, DEVELOPMENT_LOCK], ids=lambda path: path.name)
def test_locks_name_no_address_and_no_path(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(--index|--extra-index|--find-links|-e |-f |/|\.)", text, re.MULTILINE)
    assert not re.search(r"-[cr] (/|\.\.)", text)


def test_the_npm_lock_of_the_tests_is_pinned_and_hashed_and_names_no_address() -> None:
    text = NPM_LOCK.read_text(encoding="utf-8")
    lock = json.loads(text)["packages"]
    asked = json.loads(NPM_LOCK.with_name("package.json").read_text(encoding="utf-8"))["devDependencies"]
    packages = {name.removeprefix("node_modules/"): entry for name, entry in lock.items() if name}
    assert {name: packages[name]["version"] for name in asked} == asked
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert "://" not in text
    assert not any("resolved" in entry or entry.get("hasInstallScript") for entry in packages.values())


def test_locks_hold_what_pyproject_asks_for() -> None:
    extras = PROJECT["optional-dependencies"]
    runtime = declared(PROJECT["dependencies"]) | declared(extras["build"])
    assert runtime <= locked(RUNTIME_LOCK).keys()
    assert runtime | declared(extras["dev"]) <= locked(DEVELOPMENT_LOCK).keys()
    assert not (declared(extras["dev"]) & locked(RUNTIME_LOCK).keys())


def test_development_runs_on_the_versions_that_production_gets() -> None:
    development = locked(DEVELOPMENT_LOCK)
    assert {name: development.get(name) for name in locked(RUNTIME_LOCK)} == locked(RUNTIME_LOCK)


def test_the_wheel_holds_packages_templates_migrations_and_static_files(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        entry_points = wheel.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "wechatpay",
        "spcore",
        "sptenants",
        "spapp",
        "spsim",
    }
    assert "wxsp = spapp.cli:main" in entry_points
    assert "spapp/_bundled/migrations/env.py" in names
    for folder in ("templates", "migrations"):
        sources = [
            path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        ]
        assert {f"spapp/_bundled/{path.relative_to(ROOT)}" for path in sources} <= names
    static = [path for path in (ROOT / "platform/spapp/static").rglob("*") if path.is_file()]
    assert {path.relative_to(ROOT / "platform").as_posix() for path in static} <= names


def vendored() -> list[dict[str, object]]:
    packages = json.loads((VENDOR / "vendor.lock.json").read_text(encoding="utf-8"))["packages"]
    assert isinstance(packages, list)
    return packages


def test_vendored_files_are_byte_for_byte_what_was_locked() -> None:
    expected = {file["path"]: file["sha256"] for package in vendored() for file in package["files"]}
    present = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "vendor.lock.json"
    }
    assert present == expected


def test_the_vendor_tool_sees_every_kind_of_difference(tmp_path: Path) -> None:
    from tools.vendor import differences

    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "kept.css").write_bytes(b"kept")
    (folder / "changed.css").write_bytes(b"other")
    (folder / "new.css").write_bytes(b"new")
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("kept", "changed", "missing")}
    files = [{"path": f"x/{name}.css", "sha256": digest} for name, digest in digests.items()]
    lock = {"packages": [{"name": "x", "version": "1", "licence": "MIT", "files": files}]}
    (tmp_path / "vendor.lock.json").write_text(json.dumps(lock), encoding="utf-8")
    assert differences(tmp_path) == [
        "missing: x/missing.css",
        "not in the lock: x/new.css",
        "changed: x/changed.css",
    ]


def test_every_vendored_package_carries_its_licence_and_stands_in_the_notice() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for package in vendored():
        paths = [file["path"] for file in package["files"]]
        folder = paths[0].split("/")[0]
        assert {path.split("/")[0] for path in paths} == {folder}
        assert len((VENDOR / folder / "LICENSE").read_text(encoding="utf-8")) > 500
        assert re.search(rf"\s{re.escape(package['licence'])}\s+{folder}/\n", notice), package["name"]


def test_icons_are_plain_drawings() -> None:
    icons = list((VENDOR / "tabler").glob("*.svg"))
    assert len(icons) > 40
    for icon in icons:
        text = icon.read_text(encoding="utf-8")
        assert text.startswith("<svg")
        assert not re.search(r"<script|<foreignObject|\son\w+=|href=", text), icon.name


def make(*arguments: str) -> str:
    """What a call of its own would print, also while the tests themselves run under make."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    answer = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return answer.stdout


def test_make_help_lists_the_targets() -> None:
    listed = re.findall(r"^  make (\w+) ", make("help"), re.MULTILINE)
    assert listed[:5] == ["help", "setup", "run", "test", "check"]


@pytest.mark.parametrize(
    ("arguments", "fresh"),
    [((), False), (("FRESH=0",), False), (("FRESH=1",), True)],
    ids=["plain", "0", "1"],
)
def test_make_run_starts_over_only_when_asked(arguments: tuple[str, ...], fresh: bool) -> None:
    started = make("--dry-run", "run", *arguments).splitlines()[-1]
    assert started.startswith("exec .venv/bin/wxsp demo")
    assert ("--fresh" in started) is fresh


def test_version_is_the_same_everywhere() -> None:
    assert f"image: wxsp:{PROJECT['version']}\n" in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
