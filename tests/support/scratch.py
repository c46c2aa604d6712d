"""Folders for what outlives a single test; they go with the process that made them, killed or not."""

from __future__ import annotations

import atexit
import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import gettempdir, mkdtemp

_PREFIX = "wxsp-tests-"


def scratch_folder(name: str) -> Path:
    """Return a new folder below this process's own."""
    return Path(mkdtemp(prefix=f"{name}-", dir=_own_folder()))


@cache
def _own_folder() -> Path:
    _remove_those_of_the_dead()
    folder = Path(mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _remove_those_of_the_dead() -> None:
    """A killed test process cleans nothing up: a few of them fill a disk."""
    for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)
