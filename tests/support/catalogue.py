"""Every text that pages show, found where it is written: in templates by `_()`, in code by `N_()`."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.extract import extract
from jinja2.ext import babel_extract

from spapp.resources import resource

_CODE = Path(__file__).resolve().parents[2] / "platform" / "spapp"


def texts() -> dict[str, str]:
    """Return each text with the first file that shows it."""
    found: dict[str, str] = {}
    for where, text in _all():
        found.setdefault(text, where)
    return found


def _all() -> Iterator[tuple[str, str]]:
    templates = resource("templates")
    for path in sorted(templates.rglob("*.html")):
        options = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
        for _line, _function, texts_of_call, _notes in babel_extract(
            BytesIO(path.read_bytes()), ("_",), (), options
        ):
            # A call with values to fill in is reported as a tuple; a variable was marked where it was made.
            text = texts_of_call[0] if isinstance(texts_of_call, tuple) else texts_of_call
            if text is not None:
                yield str(path.relative_to(templates)), text
    for path in sorted(_CODE.rglob("*.py")):
        for _line, text, _notes, _context in extract("python", BytesIO(path.read_bytes()), {"N_": None}):
            yield str(path.relative_to(_CODE)), str(text)
