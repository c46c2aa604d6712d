"""Where templates, migrations and static files lie: in a checkout, and inside an installed wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def resource(name: str) -> Path:
    """Return the folder `templates` or `migrations`.

    Raises FileNotFoundError when the installation is incomplete.
    """
    for base in (_PACKAGE / "_bundled", _PACKAGE.parent.parent):
        if (base / name).is_dir():
            return base / name
    raise FileNotFoundError(f"the folder {name} is missing from this installation")


def static_files() -> Path:
    return _PACKAGE / "static"
