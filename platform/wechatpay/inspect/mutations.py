"""Every single departure from the rules that is looked for in the string to sign, the likeliest first."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, quote_plus, unquote, unquote_plus
from xml.sax.saxutils import escape

from wechatpay.inspect.recipe import Recipe, Step

Changed = Iterator[tuple[Step, Recipe]]

_SPELLINGS = (
    ("timeStamp", "timestamp", "timestemp", "time_stamp"),
    ("nonceStr", "noncestr", "nonce_str"),
    ("signType", "signtype", "sign_type"),
    ("appId", "appid", "appID", "app_id"),
    ("package", "packageValue", "package_value"),
    ("partnerid", "partnerId", "partner_id"),
    ("prepayid", "prepayId", "prepay_id"),
    ("mch_id", "mchid", "mchId"),
    ("sub_mch_id", "sub_mchid", "subMchId"),
    ("sub_appid", "sub_appId", "subAppid"),
    ("openid", "openId", "open_id"),
    ("out_trade_no", "outTradeNo"),
    ("total_fee", "totalFee"),
)
_OFTEN_ADDED = (
    ("sign_type", "MD5"),
    ("sign_type", "HMAC-SHA256"),
    ("signType", "MD5"),
    ("signType", "HMAC-SHA256"),
    ("return_code", "SUCCESS"),
    ("result_code", "SUCCESS"),
    ("return_msg", "OK"),
    ("fee_type", "CNY"),
    ("device_info", "WEB"),
    ("trade_type", "JSAPI"),
    ("profit_sharing", "N"),
    ("profit_sharing", "Y"),
    ("version", "1.0"),
)
_MONEY = re.compile(r".*(?:_fee|_amount|amount)")
_SECONDS = re.compile(r"[0-9]{10}")
_MILLISECONDS = re.compile(r"[0-9]{13}")


def of_whole(recipe: Recipe, sign_name: str) -> Changed:
    """Yield departures that concern the whole string."""
    if any(not value for _, value in recipe.fields):
        yield Step("empty_signed"), replace(recipe, with_empty=True)
        for nothing in ("null", "None", "undefined"):
            filled = tuple((name, value or nothing) for name, value in recipe.fields)
            yield Step("null_signed"), replace(recipe, fields=filled)
    yield Step("order_as_sent"), replace(recipe, order="as_sent")
    yield Step("order_ignoring_case"), replace(recipe, order="ignoring_case")
    for form in ("", "null"):
        signed = replace(recipe, fields=(*recipe.fields, (sign_name, form)), with_empty=True)
        yield Step("sign_signed", sign_name), signed
    for code, change in (*_TEXT_CHANGES, *_ENCODINGS):
        changed = tuple((name, change(value)) for name, value in recipe.fields)
        if changed != recipe.fields:
            yield Step(code, _only_one(recipe.fields, changed)), replace(recipe, fields=changed)
    if not _is_ascii(recipe):
        yield Step("encoding_gbk"), replace(recipe, encoding="gbk")
        yield Step("encoding_lost"), replace(recipe, encoding="ascii")
    lowered = tuple((name.lower(), value) for name, value in recipe.fields)
    if lowered != recipe.fields:
        yield Step("name_case"), replace(recipe, fields=lowered)
    yield Step("bom_signed"), replace(recipe, head="\ufeff")
    yield Step("joined_with_more"), replace(recipe, tail="&")
    yield Step("joined_with_more"), replace(recipe, head="?")
    yield Step("joined_with_more"), replace(recipe, head="&")


def of_fields(recipe: Recipe, identities: Mapping[str, Sequence[str]]) -> Changed:
    """Yield departures that concern one field. `identities` are the account's own numbers, by field."""
    for place, (name, value) in enumerate(recipe.fields):
        for step, pair in _of_field(name, value, identities):
            yield step, replace(recipe, fields=(*recipe.fields[:place], pair, *recipe.fields[place + 1 :]))
    for place, (name, _) in enumerate(recipe.fields):
        code = "sign_type_not_signed" if _is_sign_type(name) else "field_not_signed"
        yield Step(code, name), replace(recipe, fields=recipe.fields[:place] + recipe.fields[place + 1 :])
    present = {name for name, _ in recipe.fields}
    own = ((name, value) for name, values in identities.items() for value in values)
    for name, value in (*_OFTEN_ADDED, *own):
        if name not in present:
            code = "sign_type_not_sent" if _is_sign_type(name) else "field_not_sent"
            yield Step(code, name), replace(recipe, fields=(*recipe.fields, (name, value)))


def _of_field(
    name: str, value: str, identities: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Step, tuple[str, str]]]:
    for spelt in _spellings(name):
        yield Step("name_case" if spelt.lower() == name.lower() else "name_spelling", name), (spelt, value)
    for code, meant in _meanings(name, value):
        yield Step(code, name), (name, meant)
    for own in identities.get(name, ()):
        if own != value:
            code = "appid_of_another" if name == "appId" else "identity_changed"
            yield Step(code, name), (name, own)
    for code, change in (*_TEXT_CHANGES, *_ENCODINGS, *_VALUE_CHANGES):
        if (changed := change(value)) != value:
            yield Step(code, name), (name, changed)


def _meanings(name: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield other ways to write what a field means: fen and yuan, seconds and milliseconds, the package."""
    if _MONEY.fullmatch(name) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,2})?", value):
        whole, _, part = value.partition(".")
        fen = int(whole) * 100 + int(part.ljust(2, "0")) if part else int(whole)
        yuan = f"{fen // 100}.{fen % 100:02d}"
        short = yuan.rstrip("0").rstrip(".")
        for written in (yuan, short, str(fen), str(fen * 100), f"{fen}.0", f"{fen}.00"):
            if written != value:
                yield "amount_unit", written
    if _SECONDS.fullmatch(value):
        yield "time_unit", value + "000"
    if _MILLISECONDS.fullmatch(value):
        yield "time_unit", value[:-3]
    if name in ("package", "prepayid", "prepay_id"):
        bare = value.removeprefix("prepay_id=")
        yield "package_prefix", bare if bare != value else f"prepay_id={value}"


def _spellings(name: str) -> Iterator[str]:
    for row in _SPELLINGS:
        if name in row:
            yield from (other for other in row if other != name)
    for other in (name.lower(), name.upper(), name[:1].upper() + name[1:], f"{name} ", f" {name}"):
        if other != name:
            yield other


def _is_sign_type(name: str) -> bool:
    return name.lower().replace("_", "") == "signtype"


def _is_ascii(recipe: Recipe) -> bool:
    return all(value.isascii() for _, value in recipe.fields)


def _only_one(before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]) -> str | None:
    changed = [name for (name, old), (_, new) in zip(before, after, strict=True) if old != new]
    return changed[0] if len(changed) == 1 else None


def _json_escaped(value: str) -> str:
    return json.dumps(value)[1:-1]


def _slashes(value: str) -> str:
    return value.replace("/", "\\/")


def _misread(value: str) -> str:
    return value.encode("utf-8").decode("latin-1")


def _read_right(value: str) -> str:
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _read_as_gbk(value: str) -> str:
    return value.encode("utf-8").decode("gb18030", errors="replace")


def _widened(value: str) -> str:
    return value.replace("&", "＆").replace("=", "＝")


def _narrowed(value: str) -> str:
    return value.replace("＆", "&").replace("＝", "=")


def _lower_hex(value: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), quote(value, safe=""))


_Change = Callable[[str], str]
_TEXT_CHANGES: tuple[tuple[str, _Change], ...] = (
    ("blank_in_value", str.strip),
    ("url_decoded", unquote),
    ("url_decoded", unquote_plus),
    ("url_encoded", lambda value: quote(value, safe="")),
    ("url_encoded", quote_plus),
    ("url_encoded", _lower_hex),
    ("url_encoded", quote),
    ("entities_resolved", html.unescape),
    ("entities_signed", escape),
    ("entities_signed", html.escape),
    ("cdata_signed", lambda value: f"<![CDATA[{value}]]>" if value else value),
    ("json_escaped", _slashes),
    ("json_escaped", _json_escaped),
    ("json_escaped", lambda value: _slashes(_json_escaped(value))),
    ("quoted", lambda value: f'"{value}"'),
    ("full_width", _widened),
    ("full_width", _narrowed),
)
_ENCODINGS: tuple[tuple[str, _Change], ...] = (
    ("encoding_latin", _misread),
    ("encoding_latin", _read_right),
    ("encoding_gbk", _read_as_gbk),
)
_VALUE_CHANGES: tuple[tuple[str, _Change], ...] = (
    ("value_case", str.lower),
    ("value_case", str.upper),
    ("blank_signed", lambda value: f"{value} "),
    ("blank_signed", lambda value: f" {value}"),
    ("blank_signed", lambda value: f"{value}\n"),
    ("blank_signed", lambda value: f"{value}\r\n"),
    ("blank_signed", lambda value: value.replace("\n", "\r\n")),
    ("blank_in_value", lambda value: re.sub(r"\s+", "", value)),
)
