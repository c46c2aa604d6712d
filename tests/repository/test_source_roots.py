"""`platform/` and `tenants/` are source roots: a package there would shadow Python's own `platform`."""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = (ROOT / "platform", ROOT / "tenants")
PACKAGES = {"wechatpay", "spcore", "spapp", "spsim", "sptenants"}


@pytest.mark.parametrize("root", SOURCE_ROOTS, ids=lambda root: root.name)
def test_a_source_root_is_not_a_package(root: Path) -> None:
    assert not (root / "__init__.py").exists()
    assert not list(root.glob("*.py")), "modules belong into a package, not into the source root"


def test_the_source_roots_hold_the_five_packages_and_nothing_else() -> None:
    found = {folder.name for root in SOURCE_ROOTS for folder in root.iterdir() if folder.is_dir()}
    assert found - {"__pycache__"} == PACKAGES


def test_platform_is_the_standard_librarys_with_the_repository_on_the_search_path() -> None:
    command = "import platform, litestar, sqlalchemy; print(platform.__file__)"
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    answer = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    standard_library = Path(sysconfig.get_paths()["stdlib"])
    assert Path(answer.stdout.strip()) == standard_library / "platform.py"
    assert Path(platform.__file__) == standard_library / "platform.py", "the search path of this very run"


def test_no_package_bears_a_name_of_the_standard_library() -> None:
    assert not PACKAGES & sys.stdlib_module_names


def test_every_package_folder_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for root in SOURCE_ROOTS
        for path in root.rglob("__init__.py")
        if not path.read_text(encoding="utf-8").lstrip().startswith('"""')
    ]
    assert silent == []


def test_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert " 0 broken" in answer.stdout
