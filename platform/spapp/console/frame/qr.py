"""QR codes on pages."""

from __future__ import annotations

import segno
from markupsafe import Markup


def qr_code(text: str) -> Markup:
    """Draw `text` as an inline SVG that needs no style attribute; always dark on white, for cameras.

    Hidden from screen readers: the element around it says what it is.
    """
    drawn = segno.make_qr(text, error="m").svg_inline(
        border=4, dark="#000", light="#fff", omitsize=True, svgclass="c-qr", lineclass=None
    )
    hidden = drawn.replace("<svg ", '<svg aria-hidden="true" ', 1)
    return Markup(hidden)  # noqa: S704 - rectangles of our own
