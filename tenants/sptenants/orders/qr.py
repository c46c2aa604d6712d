"""The QR code of a NATIVE order, drawn here: a code_url pays, so that it goes to no drawing service."""

from __future__ import annotations

import io

import segno

_DARK, _LIGHT = "#000", "#fff"


def svg_of(code_url: str) -> str:
    """Return `code_url` as an SVG document with its quiet zone, sharp at any size."""
    drawn = io.BytesIO()
    segno.make_qr(code_url, error="m").save(
        drawn, kind="svg", scale=8, border=4, dark=_DARK, light=_LIGHT, xmldecl=False, nl=False
    )
    return drawn.getvalue().decode("ascii")
