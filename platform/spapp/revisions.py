"""Which revision of the database this program knows, without what migrates it: loading that takes a while."""

from __future__ import annotations

from spapp.resources import resource


def head() -> str:
    """Return the newest revision: the number that the last file of the migrations begins with.

    Raises RuntimeError when there is none.
    """
    names = sorted(path.name for path in (resource("migrations") / "versions").glob("[0-9]*_*.py"))
    if not names:
        raise RuntimeError("the migrations folder holds no revision")
    return names[-1].partition("_")[0]
