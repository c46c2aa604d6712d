"""Filters of the pages, languages and the catalogue."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from babel.messages.pofile import read_po

from spapp.resources import resource, static_files
from spapp.web import pages
from spapp.web.i18n import choose_language
from wechatpay.money import Fen


@pytest.mark.parametrize(
    ("fen", "shown"),
    [
        pytest.param(0, "¥0.00", id="nothing"),
        pytest.param(1, "¥0.01", id="one fen"),
        pytest.param(12_800, "¥128.00", id="yuan"),
        pytest.param(123_450, "¥1,234.50", id="thousands"),
        pytest.param(9_999_999_999, "¥99,999,999.99", id="a sum beyond any one order"),
    ],
)
def test_money_is_shown_in_yuan_with_both_decimals(fen: int, shown: str) -> None:
    assert pages.money(Fen(fen)) == shown


def test_times_are_shown_in_shanghai_and_carry_their_offset() -> None:
    at = datetime(2026, 11, 21, 16, 32, 8, 94_000, tzinfo=UTC)

    assert pages.moment(at) == '<time datetime="2026-11-22T00:32:08.094+08:00">2026-11-22 00:32:08</time>'
    assert ">11-22 00:32:08<" in pages.moment_in_list(at)
    assert ">00:32:08.094<" in pages.moment_in_timeline(at, at)
    assert ">11-22 00:32:08.094<" in pages.moment_in_timeline(at, datetime(2026, 11, 21, 15, tzinfo=UTC))


def test_masks_keep_what_tells_apart_and_hide_the_rest() -> None:
    assert pages.mask_openid("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o") == "oUpF8****eS6o"
    assert pages.mask_openid("short") == "****"
    assert pages.mask_mch_id("1600000021") == "1600****21"
    assert pages.short_appid("wx3f8c21d0b7e6a91c") == "wx3f…a91c"


@pytest.mark.parametrize(
    ("cookie", "accept", "expected"),
    [
        pytest.param(None, "", "zh-CN", id="Chinese when nothing is said"),
        pytest.param(None, "en-GB,en;q=0.9", "en", id="the browser's first choice"),
        pytest.param(None, "fr, zh-TW;q=0.8, en;q=0.3", "zh-CN", id="the best of what we have"),
        pytest.param(None, "zh;q=0.1, en;q=0.2", "en", id="weights count, not order"),
        pytest.param(None, "en;q=0, de", "zh-CN", id="a weight of zero is a refusal"),
        pytest.param(None, "en;q=banana", "zh-CN", id="nonsense is not a wish"),
        pytest.param("en", "zh-CN", "en", id="a choice made on the page wins"),
        pytest.param("xx", "en", "en", id="a cookie of somebody else does not count"),
    ],
)
def test_the_language_is_what_the_reader_asked_for(cookie: str | None, accept: str, expected: str) -> None:
    assert choose_language(cookie, accept) == expected


def test_every_text_of_a_page_has_an_english_entry_with_the_same_places_to_fill() -> None:
    from tests.support.catalogue import texts

    english: dict[str, str] = {}
    twice: list[str] = []
    for path in sorted((resource("templates") / "locale" / "en" / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            found = {str(entry.id): str(entry.string) for entry in read_po(file, locale="en") if entry.id}
        twice += [f"{path.name}: {text}" for text in found.keys() & english.keys()]
        english |= found
    assert twice == []

    shown = texts()
    assert len(shown) > 150
    assert {text: where for text, where in shown.items() if not english.get(text)} == {}
    assert set(english) - set(shown) == set(), "entries that no page shows"
    places = re.compile(r"%\(\w+\)s")
    for text, translated in english.items():
        assert sorted(places.findall(text)) == sorted(places.findall(translated)), text


def test_no_chinese_text_in_a_template_escapes_the_catalogue() -> None:
    marked = re.compile(r"_\((['\"]).*?\1[^)]*\)|\{#.*?#\}", re.DOTALL)
    for path in resource("templates").rglob("*.html"):
        rest = marked.sub("", path.read_text(encoding="utf-8"))
        assert re.findall(r"[\u4e00-\u9fff]+", rest) == [], path.name


def test_no_template_or_script_breaks_the_content_policy() -> None:
    for path in resource("templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"\sstyle=|\son\w+=|hx-on|hx-vars|javascript:|\|\s*safe", text) == [], path.name
        # Data for a chart is no script: the policy does not concern it, and nothing runs it.
        assert re.findall(r'<script(?! src=| type="application/json")', text) == [], path.name
    for own in sorted(static_files().glob("*.js")):
        if own.name == "docs.js":
            continue
        script = own.read_text(encoding="utf-8")
        assert re.findall(r"\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write", script) == []
        assert len(script.splitlines()) <= 150


def test_icons_are_inlined_as_decoration_and_take_the_colour_of_the_text() -> None:
    drawn = pages.icon("receipt")

    assert drawn.startswith('<svg class="c-ic" aria-hidden="true"')
    assert 'stroke="currentColor"' in drawn
    assert 'stroke="none"' not in drawn


def test_a_file_of_ours_changes_its_address_when_it_changes() -> None:
    assert re.fullmatch(r"/static/console\.css\?v=[0-9a-f]{10}", pages.static("console.css"))
