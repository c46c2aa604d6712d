"""Languages of the pages: Chinese is what the code says, English is a catalogue read at start.

The catalogue is kept as text, one `.po` file a room of the pages (`messages.po` for what they share), and
compiled in memory, so that nothing binary has to be kept in step with it. A test fails on a missing or empty
English entry, and on one that two files have (console-and-api-design section 7).
"""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations
from io import BytesIO
from typing import Literal, TypeAlias

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from spapp.resources import resource
from spcore.errors import Text

Language: TypeAlias = Literal["zh-CN", "en"]

LANGUAGES: dict[Language, str] = {"zh-CN": "中文", "en": "English"}
"""Code of `<html lang>` and what the language calls itself."""

SOURCE: Language = "zh-CN"

LANGUAGE_COOKIE = "lang"


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark a Chinese text in code for the catalogue; the page that shows it translates it."""
    return text


@cache
def translations(language: Language) -> NullTranslations:
    """Return the catalogue of `language`; the source language needs none."""
    if language == SOURCE:
        return NullTranslations()
    together = Catalog(locale=language)
    for path in sorted((resource("templates") / "locale" / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id:
                    together[message.id] = message
    compiled = BytesIO()
    write_mo(compiled, together)
    compiled.seek(0)
    return Translations(compiled)


def said(text: Text, language: Language) -> str:
    """Return the sentence in the language of the reader."""
    return text.zh if language == SOURCE else text.en


def translated(word: str) -> Text:
    """Return a marked Chinese word (`N_`) with its English from the catalogue."""
    return Text(word, translations("en").gettext(word))


def choose_language(cookie: str | None, accept_language: str) -> Language:
    """Return the language a person chose, else the first one their browser asks for, else Chinese.

    `accept_language` is the header as sent; what it says about regions and scripts does not matter here.
    """
    if cookie in LANGUAGES:
        return cookie
    wanted: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        tag, _, quality = part.partition(";")
        wanted.append((_weight(quality), tag.strip().lower()))
    for weight, tag in sorted(wanted, key=lambda pair: -pair[0]):
        primary = tag.partition("-")[0]
        if weight > 0 and primary == "zh":
            return "zh-CN"
        if weight > 0 and primary == "en":
            return "en"
    return SOURCE


def _weight(quality: str) -> float:
    name, _, value = quality.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
