"""Fetch and verify the front-end files that the pages are served from.

The console builds nothing and loads nothing from other hosts, so the few files it needs from npm packages
lie in ``platform/spapp/static/vendor`` byte for byte as published, each folder with its licence.
``vendor.lock.json`` beside them records package, version, licence and the SHA-256 of every file.

    python tools/vendor.py check     compare the folder with the lock, offline
    python tools/vendor.py fetch     take the files out of the packages again and write the lock; needs npm
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

VENDOR = Path(__file__).resolve().parent.parent / "platform" / "spapp" / "static" / "vendor"
LOCK_NAME = "vendor.lock.json"

ICONS = (
    "activity",
    "adjustments",
    "alert-triangle",
    "arrow-left",
    "arrow-right",
    "arrow-up-right",
    "arrows-split",
    "ban",
    "bell",
    "bookmark",
    "bookmark-plus",
    "building",
    "building-store",
    "calendar",
    "cash",
    "certificate",
    "chart-bar",
    "check",
    "chevron-down",
    "chevron-left",
    "chevron-right",
    "chevron-up",
    "circle-check",
    "circle-dashed",
    "clock",
    "code",
    "copy",
    "device-desktop",
    "device-mobile",
    "download",
    "edit",
    "external-link",
    "eye",
    "eye-off",
    "file-export",
    "file-invoice",
    "file-text",
    "file-zip",
    "filter",
    "git-compare",
    "hash",
    "heart-rate-monitor",
    "history",
    "home",
    "info-circle",
    "key",
    "layout-dashboard",
    "link",
    "list-details",
    "list-search",
    "lock",
    "logout",
    "mail",
    "menu-2",
    "moon",
    "player-pause",
    "player-play",
    "plug-connected",
    "plus",
    "qrcode",
    "receipt",
    "receipt-refund",
    "refresh",
    "rotate-clockwise",
    "route",
    "search",
    "send",
    "server",
    "settings",
    "shield-check",
    "shield-lock",
    "stack-2",
    "stethoscope",
    "sun",
    "switch-horizontal",
    "table",
    "tag",
    "trash",
    "upload",
    "user",
    "user-off",
    "user-plus",
    "users",
    "webhook",
    "world",
    "x",
)


class LockedFile(TypedDict):
    path: str
    sha256: str


class LockedPackage(TypedDict):
    name: str
    version: str
    licence: str
    files: list[LockedFile]


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package and what we take from it: path inside the package -> path under the vendor folder."""

    name: str
    version: str
    licence: str
    files: Mapping[str, str]

    @property
    def requirement(self) -> str:
        return f"{self.name}@{self.version}"


PACKAGES: Sequence[Package] = (
    Package(
        "bootstrap",
        "5.3.9",
        "MIT",
        {
            "dist/css/bootstrap.min.css": "bootstrap/bootstrap.min.css",
            "dist/js/bootstrap.bundle.min.js": "bootstrap/bootstrap.bundle.min.js",
            "LICENSE": "bootstrap/LICENSE",
        },
    ),
    Package(
        "htmx.org",
        "2.0.11",
        "0BSD",
        {"dist/htmx.min.js": "htmx/htmx.min.js", "LICENSE": "htmx/LICENSE"},
    ),
    Package(
        "uplot",
        "1.6.32",
        "MIT",
        {
            "dist/uPlot.iife.min.js": "uplot/uPlot.iife.min.js",
            "dist/uPlot.min.css": "uplot/uPlot.min.css",
            "LICENSE": "uplot/LICENSE",
        },
    ),
    Package(
        "@fontsource-variable/inter",
        "5.3.0",
        "OFL-1.1",
        {
            "files/inter-latin-wght-normal.woff2": "inter/inter-latin-wght-normal.woff2",
            "LICENSE": "inter/LICENSE",
        },
    ),
    Package(
        "@tabler/icons",
        "3.51.0",
        "MIT",
        {f"icons/outline/{icon}.svg": f"tabler/{icon}.svg" for icon in ICONS} | {"LICENSE": "tabler/LICENSE"},
    ),
    Package(
        "swagger-ui-dist",
        "5.35.0",
        "Apache-2.0",
        {
            "swagger-ui-bundle.js": "swagger-ui-dist/swagger-ui-bundle.js",
            "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt",
            "swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
            "LICENSE": "swagger-ui-dist/LICENSE",
            "NOTICE": "swagger-ui-dist/NOTICE",
        },
    ),
)


def digest(path: Path) -> str:
    """SHA-256 of a file in lower-case hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def differences(vendor: Path) -> list[str]:
    """Every way in which ``vendor`` departs from its lock; empty when it is exactly what was locked."""
    locked: list[LockedPackage] = json.loads((vendor / LOCK_NAME).read_text(encoding="utf-8"))["packages"]
    expected = {file["path"]: file["sha256"] for package in locked for file in package["files"]}
    present = {path.relative_to(vendor).as_posix() for path in vendor.rglob("*") if path.is_file()} - {
        LOCK_NAME
    }
    found = [f"missing: {name}" for name in sorted(expected.keys() - present)]
    found += [f"not in the lock: {name}" for name in sorted(present - expected.keys())]
    found += [
        f"changed: {name}"
        for name in sorted(expected.keys() & present)
        if digest(vendor / name) != expected[name]
    ]
    return found


def unpack(package: Package, folder: Path) -> Path:
    """Download one package with npm into ``folder`` and return its unpacked root.

    Raises ``subprocess.CalledProcessError`` when npm has no such version, ``ValueError`` when the package's
    own words about its licence are not the ones we accepted.
    """
    folder.mkdir()
    command = ["npm", "pack", "--silent", package.requirement]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    root = folder / "package"
    licence = json.loads((root / "package.json").read_text(encoding="utf-8"))["license"]
    if licence != package.licence:
        raise ValueError(f"{package.requirement}: licence is {licence!r}, expected {package.licence!r}")
    return root


def fetch(vendor: Path) -> None:
    """Replace ``vendor`` by the files of ``PACKAGES``; nothing is replaced unless all of them were found."""
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary) / "vendor"
        locked: list[LockedPackage] = []
        for number, package in enumerate(PACKAGES):
            root = unpack(package, Path(temporary) / f"package-{number}")
            files: list[LockedFile] = []
            for source, target in sorted(package.files.items(), key=lambda pair: pair[1]):
                destination = fresh / target
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / source, destination)
                files.append({"path": target, "sha256": digest(destination)})
            locked.append(
                {"name": package.name, "version": package.version, "licence": package.licence, "files": files}
            )
        text = json.dumps({"packages": locked}, indent=2, ensure_ascii=False) + "\n"
        (fresh / LOCK_NAME).write_text(text, encoding="utf-8")
        shutil.rmtree(vendor, ignore_errors=True)
        shutil.copytree(fresh, vendor)


def main() -> int:
    parser = argparse.ArgumentParser(description="vendored front-end files")
    parser.add_argument("action", choices=["check", "fetch"])
    if parser.parse_args().action == "fetch":
        fetch(VENDOR)
    found = differences(VENDOR)
    for line in found:
        print(line, file=sys.stderr)
    print(f"{LOCK_NAME}: {'ok' if not found else f'{len(found)} differences'}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
