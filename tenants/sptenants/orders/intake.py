"""Reading what callers send: every fault found is listed, with its place, in both languages.

Amounts are judged by their JSON type before anything else: true, 1.5, 1e3 and "100" are no amounts (M1, O02).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from spcore.errors import Fault, InvalidInput, Text
from sptenants.orders.commands import (
    DEFAULT_EXPIRES_IN_S,
    MAX_EXPIRES_IN_S,
    MIN_EXPIRES_IN_S,
    PlaceOrder,
    PricedOrder,
)
from sptenants.orders.filters import OrderFilter
from sptenants.orders.states import OrderStatus
from wechatpay.gateway import TradeType
from wechatpay.identifiers import AppId, InvalidIdentifier, OpenId
from wechatpay.money import Fen

MAX_AMOUNT = 999_999_999
MAX_ATTACH = 1024
MAX_METADATA = 20
MAX_LIMIT = 100
DEFAULT_LIMIT = 20

_T = TypeVar("_T")
_NUMBER = re.compile(r"[0-9A-Za-z_\-.|*:/#@]{1,64}")
_PRICE_CODE = re.compile(r"[0-9A-Za-z_.\-]{1,64}")
_KEY = re.compile(r"[!-~]{1,255}")
_ORDER_FIELDS = frozenset(
    {
        "merchant_order_no",
        "amount",
        "currency",
        "description",
        "trade_type",
        "sub_appid",
        "openid",
        "expires_in",
        "attach",
        "profit_sharing",
        "metadata",
    }
)
_MONEY_WORDS = re.compile(r"amount|fee|price|money|total|cash|fen|yuan|discount|cost|pay", re.IGNORECASE)


class _Reader:
    """One JSON object being read. `faults` collects what is wrong; readers return None for what is."""

    def __init__(self, document: object) -> None:
        self.faults: list[Fault] = []
        self._fields: Mapping[str, Any] = {}
        if isinstance(document, Mapping):
            self._fields = document
        else:
            self.fault("", "invalid_type", "请求体应为 JSON 对象。", "the body must be a JSON object.")

    def fault(self, name: str, code: str, zh: str, en: str) -> None:
        pointer = f"#/{name.replace('~', '~0').replace('/', '~1')}" if name else "#"
        self.faults.append(Fault(pointer, code, Text(zh, en)))

    def only(self, allowed: frozenset[str], unknown: Callable[[str], Text]) -> None:
        for name in self._fields:
            if name not in allowed:
                text = unknown(name)
                self.fault(name[:64], "unknown_field", text.zh, text.en)

    def get(self, name: str, *, required: bool = False) -> Any:
        value = self._fields.get(name)
        if value is None and required:
            self.fault(name, "missing", "必填。", "is required.")
        return value

    def text(self, name: str, pattern: re.Pattern[str], rule: Text, *, required: bool = False) -> str | None:
        value = self.get(name, required=required)
        if value is None:
            return None
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            self.fault(name, "invalid_format", rule.zh, rule.en)
            return None
        return value

    def whole(self, name: str, low: int, high: int, *, required: bool = False) -> int | None:
        value = self.get(name, required=required)
        if value is None:
            return None
        if type(value) is not int:
            self.fault(
                name,
                "invalid_type",
                "必须是 JSON 整数，不能是小数、文本或布尔值。",
                "must be a JSON whole number, not a fraction, text or boolean.",
            )
            return None
        if not low <= value <= high:
            self.fault(name, "out_of_range", f"应为 {low} 到 {high}。", f"must be from {low} to {high}.")
            return None
        return value

    def identifier(self, name: str, kind: type[AppId] | type[OpenId], rule: Text) -> Any:
        value = self.get(name)
        if value is None:
            return None
        try:
            if isinstance(value, str):
                return kind(value)
        except InvalidIdentifier:
            pass
        self.fault(name, "invalid_format", rule.zh, rule.en)
        return None

    def done(self) -> None:
        if self.faults:
            raise InvalidInput(*self.faults)


def read_order(document: object) -> PlaceOrder:
    """Read the body of `POST /v1/orders`. Raises InvalidInput listing every fault."""
    reader = _Reader(document)
    reader.only(_ORDER_FIELDS, _unknown_field)
    number = reader.text("merchant_order_no", _NUMBER, _NUMBER_RULE, required=True)
    amount = reader.whole("amount", 1, MAX_AMOUNT, required=True)
    description = _description(reader)
    trade_type = _trade_type(reader)
    sub_appid = reader.identifier("sub_appid", AppId, _APPID_RULE)
    openid = reader.identifier("openid", OpenId, _OPENID_RULE)
    expires_in = reader.whole("expires_in", MIN_EXPIRES_IN_S, MAX_EXPIRES_IN_S)
    attach = _attach(reader)
    profit_sharing = _flag(reader, "profit_sharing")
    metadata = _metadata(reader)
    if (currency := reader.get("currency")) is not None and currency != "CNY":
        reader.fault("currency", "invalid_value", "只支持 CNY。", "must be CNY.")
    reader.done()
    return PlaceOrder(
        merchant_order_no=_present(number),
        amount=Fen(_present(amount)),
        description=_present(description),
        trade_type=trade_type,
        sub_appid=sub_appid,
        openid=openid,
        expires_in_s=DEFAULT_EXPIRES_IN_S if expires_in is None else expires_in,
        attach=attach,
        profit_sharing=profit_sharing,
        metadata=metadata,
    )


def read_priced_order(document: object) -> PricedOrder:
    """Read the body of a mini-program's order: a price code and a quantity, and nothing else (O01)."""
    reader = _Reader(document)
    reader.only(frozenset({"price_code", "quantity"}), _not_from_a_client)
    code = reader.text("price_code", _PRICE_CODE, _PRICE_CODE_RULE, required=True)
    quantity = reader.whole("quantity", 1, 9999, required=True)
    reader.done()
    return PricedOrder(_present(code), _present(quantity))


def read_nothing(document: object) -> None:
    """Read the body of a call that takes none: nothing, or an empty object."""
    reader = _Reader(document if document is not None else {})
    reader.only(frozenset(), _unknown_field)
    reader.done()


def read_key(given: str | None) -> str | None:
    """Read the header `Idempotency-Key`. Raises InvalidInput."""
    if given is not None and _KEY.fullmatch(given) is None:
        raise InvalidInput(Fault("Idempotency-Key", "invalid_format", _KEY_RULE))
    return given


def read_list_query(query: Sequence[tuple[str, str]]) -> tuple[OrderFilter, int, str | None]:
    """Read the parameters of `GET /v1/orders`: filter, limit, cursor. Raises InvalidInput."""
    reader = _Reader(_once(query))
    allowed = {"merchant_order_no", "status", "created_from", "created_to", "limit", "cursor"}
    reader.only(frozenset(allowed), _unknown_parameter)
    status = reader.get("status")
    if status is not None and status not in set(OrderStatus):
        names = " ".join(OrderStatus)
        reader.fault("status", "invalid_value", f"应为其中之一：{names}。", f"must be one of {names}.")
        status = None
    created_from, created_to = _moment(reader, "created_from"), _moment(reader, "created_to")
    limit = _limit(reader)
    cursor = reader.get("cursor")
    reader.done()
    wanted = OrderFilter(
        status=OrderStatus(status) if status else None,
        merchant_order_no=reader.get("merchant_order_no"),
        created_from=created_from,
        created_to=created_to,
    )
    return wanted, limit, cursor


def read_paging(query: Sequence[tuple[str, str]]) -> tuple[int, str | None]:
    """Read `limit` and `cursor`, and refuse anything else."""
    reader = _Reader(_once(query))
    reader.only(frozenset({"limit", "cursor"}), _unknown_parameter)
    limit = _limit(reader)
    reader.done()
    return limit, reader.get("cursor")


def read_wait(query: Sequence[tuple[str, str]], longest_s: int) -> int:
    """Read `wait`, seconds; 0 when it is not given."""
    reader = _Reader(_once(query))
    reader.only(frozenset({"wait"}), _unknown_parameter)
    wait_s = _digits(reader, "wait", 1, longest_s)
    reader.done()
    return wait_s or 0


def _once(query: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Return the parameters of an address by name. Raises InvalidInput for what no database can be asked."""
    given: dict[str, str] = {}
    for name, value in query:
        if name in given:
            text = Text("参数重复出现。", "is given more than once.")
            raise InvalidInput(Fault(f"#/{name[:64]}", "duplicate", text))
        if "\0" in value:
            text = Text("含有空字符（NUL），请去掉。", "holds a NUL character; leave it out.")
            raise InvalidInput(Fault(f"#/{name[:64]}", "invalid_format", text))
        given[name] = value
    return given


def _limit(reader: _Reader) -> int:
    return _digits(reader, "limit", 1, MAX_LIMIT) or DEFAULT_LIMIT


def _digits(reader: _Reader, name: str, low: int, high: int) -> int | None:
    given = reader.get(name)
    if given is None:
        return None
    if re.fullmatch(r"[0-9]{1,4}", given) is None or not low <= int(given) <= high:
        reader.fault(name, "out_of_range", f"应为 {low} 到 {high}。", f"must be from {low} to {high}.")
        return None
    return int(given)


def _moment(reader: _Reader, name: str) -> datetime | None:
    given = reader.get(name)
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        reader.fault(
            name,
            "invalid_format",
            "应为带时区的时间，如 2026-11-21T00:00:00+08:00（+ 在地址中写作 %2B）。",
            "must be a time with its zone, such as 2026-11-21T00:00:00+08:00 (+ is %2B in an address).",
        )
        return None
    return at


def _description(reader: _Reader) -> str | None:
    value = reader.get("description", required=True)
    if value is not None and not isinstance(value, str):
        reader.fault("description", "invalid_type", "应为文本。", "must be text.")
        return None
    return value


def _trade_type(reader: _Reader) -> TradeType:
    value = reader.get("trade_type")
    if value is None:
        return TradeType.JSAPI
    try:
        return TradeType(value)
    except ValueError:
        names = " ".join(TradeType)
        reader.fault("trade_type", "invalid_value", f"应为其中之一：{names}。", f"must be one of {names}.")
        return TradeType.JSAPI


def _attach(reader: _Reader) -> str | None:
    value = reader.get("attach")
    if value is None or (isinstance(value, str) and len(value) <= MAX_ATTACH and "\0" not in value):
        return value
    reader.fault(
        "attach",
        "invalid_format",
        f"应为不超过 {MAX_ATTACH} 个字符的文本。",
        f"must be text of at most {MAX_ATTACH} characters.",
    )
    return None


def _flag(reader: _Reader, name: str) -> bool:
    value = reader.get(name)
    if value is not None and not isinstance(value, bool):
        reader.fault(name, "invalid_type", "应为 true 或 false。", "must be true or false.")
    return value is True


def _metadata(reader: _Reader) -> dict[str, str]:
    value = reader.get("metadata")
    if value is None:
        return {}
    if isinstance(value, dict) and len(value) <= MAX_METADATA and all(map(_is_metadata, value.items())):
        return value
    reader.fault(
        "metadata",
        "invalid_format",
        f"应为最多 {MAX_METADATA} 个键的对象，键 1–40 个字符，值为不超过 500 个字符的文本。",
        f"must be an object of at most {MAX_METADATA} keys (1 to 40 characters) with text values up to 500.",
    )
    return {}


def _is_metadata(item: tuple[object, object]) -> bool:
    key, value = item
    return (
        isinstance(key, str)
        and isinstance(value, str)
        and 1 <= len(key) <= 40
        and len(value) <= 500
        and "\0" not in key + value
    )


def _unknown_field(_name: str) -> Text:
    return Text("未知字段，请去掉。", "is not a field of this request; leave it out.")


def _unknown_parameter(_name: str) -> Text:
    return Text("未知查询参数，请去掉。", "is not a parameter of this address; leave it out.")


def _not_from_a_client(name: str) -> Text:
    if _MONEY_WORDS.search(name):
        return Text(
            "小程序不能指定金额：只能提交 price_code 和 quantity，金额由价目计算。",
            "a mini-program never names an amount: send price_code and quantity, the price list decides.",
        )
    return _unknown_field(name)


def _present(value: _T | None) -> _T:
    if value is None:
        raise ValueError("a required field was neither given nor reported")
    return value


_NUMBER_RULE = Text(
    "应为 1–64 位字母、数字或 _ - . | * : / # @ 。",
    "must be 1 to 64 letters, digits or any of _ - . | * : / # @",
)
_PRICE_CODE_RULE = Text(
    "应为 1–64 位字母、数字或 _ . - 。", "must be 1 to 64 letters, digits or any of _ . -"
)
_APPID_RULE = Text("应为 wx 加 16 位字母或数字。", "must be wx and 16 letters or digits.")
_OPENID_RULE = Text("应为 1–128 位字母、数字、_ 或 -。", "must be 1 to 128 letters, digits, _ or -")
_KEY_RULE = Text("应为 1–255 个可见 ASCII 字符。", "must be 1 to 255 visible ASCII characters.")
