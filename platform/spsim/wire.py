"""The v2 XML envelope as the gateway reads and writes it (wechatpay-v2 1.2).

Read with expat directly and not with a convenience parser: those strip blanks, merge duplicates and accept
a DOCTYPE, and this side must see exactly what was sent.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

MAX_BODY: Final = 64 * 1024


class BadXml(ValueError):
    """The body is not one flat `<xml>` document; the text says why."""


class NotUtf8(BadXml):
    """The body holds something other than UTF-8 characters of one to three bytes."""


class _FlatReader:
    """Collects the children of the root and refuses everything else."""

    def __init__(self) -> None:
        self.params: dict[str, str] = {}
        self._depth = 0
        self._name = ""
        self._text: list[str] = []

    def declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.upper() not in {"UTF-8", "UTF8"}:
            raise NotUtf8(f"the document declares encoding {encoding}")

    def doctype(self, *_args: object) -> None:
        raise BadXml("a DOCTYPE is not allowed")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if attributes:
            raise BadXml(f"element {name} has attributes")
        if self._depth == 0 and name != "xml":
            raise BadXml(f"the root element is {name}, not xml")
        if self._depth == 1:
            if name in self.params:
                raise BadXml(f"element {name} appears twice")
            self._name, self._text = name, []
        if self._depth > 1:
            raise BadXml(f"element {self._name} has a child element {name}")
        self._depth += 1

    def end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 1:
            self.params[name] = "".join(self._text)

    def text(self, data: str) -> None:
        if self._depth == 2:
            self._text.append(data)
        elif data.strip():
            raise BadXml("text beside the elements")


def read_xml(body: bytes) -> dict[str, str]:
    """Return the elements of a flat `<xml>` document, empty ones as "".

    Raises BadXml on a DTD, nesting, attributes, duplicates or a body over 64 KiB, NotUtf8 on other
    encodings and on characters outside the basic plane.
    """
    if len(body) > MAX_BODY:
        raise BadXml(f"{len(body)} bytes, at most {MAX_BODY} are read")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUtf8(f"byte {error.start} is not UTF-8") from None
    reader = _FlatReader()
    parser = expat.ParserCreate("utf-8")
    parser.XmlDeclHandler = reader.declaration
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise BadXml(str(error)) from None
    for name, value in reader.params.items():
        if any(ord(character) > 0xFFFF for character in value):
            raise NotUtf8(f"element {name} holds a four-byte character")
        if "\r" in value:
            raise BadXml(f"element {name} holds a carriage return")
    return reader.params


def write_xml(params: dict[str, str], *, root: str = "xml", between: str = "") -> bytes:
    """Write a flat document with every value in CDATA, in the order given, `between` the elements."""
    elements = (
        f"<{name}><![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]></{name}>"
        for name, value in params.items()
    )
    return between.join([f"<{root}>", *elements, f"</{root}>"]).encode()
