"""A list of sub-merchants as a CSV file or pasted text: read strictly, with cause and fix for every fault.

Cells that a spreadsheet would run as formulas, and letters that only look like others, are refused rather
than put right (S07, S18): nobody could tell afterwards what was meant.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import StringIO

from spcore.errors import Fault, InvalidInput, Text
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.models import MAX_BINDINGS
from sptenants.registry.particulars import Contact, Particulars
from sptenants.registry.rules import AppKind, AppOwner

MAX_ROWS = 2000
MAX_CELL = 500

COLUMNS: dict[str, str] = {
    "name": "商户名称",
    "sub_mch_id": "特约商户号",
    "short_name": "简称",
    "contact_name": "联系人",
    "contact_phone": "联系电话",
    "contact_email": "邮箱",
    "settlement_note": "结算说明",
    "apps": "AppID",
}
"""Fields and their headers; the headers are the same whatever language the page is read in."""
REQUIRED = ("name", "sub_mch_id")
TEMPLATE_ROWS = (
    (
        "晨曦咖啡",
        "1600000021",
        "晨曦",
        "王敏",
        "13800001234",
        "shop@example.com",
        "T+1",
        "wx3f8c21d0b7e6a91c",
    ),
    ("力行健身", "1600000038", "", "", "", "", "", "wx8b1d04c99e23f5aa:公众号:特约商户 wx5b77e40aa1c2d3e4"),
)

_FORMULA = frozenset("=+-@\t\r＝＋－＠")
_KINDS = {
    "小程序": AppKind.MINIPROGRAM,
    "公众号": AppKind.OFFICIAL_ACCOUNT,
    "App": AppKind.APP,
    **{kind.value: kind for kind in AppKind},
}
_OWNERS = {
    "特约商户": AppOwner.MERCHANT,
    "渠道商": AppOwner.CHANNEL,
    "服务商": AppOwner.PROVIDER,
    **{owner.value: owner for owner in AppOwner},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file. `faults` point at columns, such as `#/sub_mch_id`."""

    line: int
    name: str
    sub_mch_id: str
    particulars: Particulars = field(repr=False)
    apps: tuple[NewBinding, ...]
    given: frozenset[str]
    """Columns with content: what is left empty stays as it is stored."""
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    rows: tuple[Row, ...]
    text: str = field(repr=False)
    """The file as UTF-8 text with plain line ends, to be carried along and read again."""

    @property
    def digest(self) -> str:
        """SHA-256 of the content in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_bytes(content: bytes) -> Sheet:
    """Read an uploaded file: UTF-8 with or without BOM, or GBK as Excel writes it. Raises InvalidInput."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return read_text(content.decode(encoding))
        except UnicodeDecodeError:
            continue
    raise InvalidInput(Fault("#", "invalid_encoding", _ENCODING))


def read_text(text: str) -> Sheet:
    """Read CSV, or cells pasted from a spreadsheet, which tabs part. Raises InvalidInput for the whole."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not plain.strip():
        raise InvalidInput(Fault("#", "empty", _EMPTY))
    if "\0" in plain:
        raise InvalidInput(Fault("#", "invalid_encoding", _ENCODING))
    header, _, _ = plain.partition("\n")
    delimiter = "\t" if "\t" in header else ","
    try:
        lines = list(_numbered(csv.reader(StringIO(plain), delimiter=delimiter, strict=True)))
    except csv.Error:
        raise InvalidInput(Fault("#", "not_csv", _NOT_CSV)) from None
    names = _header(lines[0][1])
    body = lines[1:]
    if not body:
        raise InvalidInput(Fault("#", "empty", _EMPTY))
    if len(body) > MAX_ROWS:
        raise InvalidInput(Fault("#", "too_many_rows", _too_many(len(body))))
    return Sheet(tuple(_row(line, names, cells) for line, cells in body), plain + "\n")


def template() -> str:
    """Return an example file: BOM, CRLF, headers and two lines (console-and-api-design section 7)."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS.values())
    writer.writerows(TEMPLATE_ROWS)
    return "\ufeff" + out.getvalue()


def canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _numbered(reader: Iterable[list[str]]) -> Iterable[tuple[int, list[str]]]:
    """Yield the lines that have content, with their numbers as a spreadsheet counts rows."""
    for number, cells in enumerate(reader, start=1):
        if any(cell.strip() for cell in cells):
            yield number, cells


def _header(cells: Sequence[str]) -> tuple[str, ...]:
    fields = {header: field for field, header in COLUMNS.items()} | {field: field for field in COLUMNS}
    names = [cell.strip().rstrip("*") for cell in cells]
    unknown = [name for name in names if name not in fields]
    if unknown:
        raise InvalidInput(Fault("#/header", "unknown_column", _unknown_column(unknown[0])))
    found = [fields[name] for name in names]
    missing = [COLUMNS[field] for field in REQUIRED if field not in found]
    if missing:
        raise InvalidInput(Fault("#/header", "missing_column", _missing_column(missing[0])))
    if len(set(found)) != len(found):
        raise InvalidInput(Fault("#/header", "twice", _HEADER_TWICE))
    return tuple(found)


def _row(line: int, names: tuple[str, ...], cells: Sequence[str]) -> Row:
    values, faults = dict.fromkeys(COLUMNS, ""), []
    if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
        faults.append(Fault("#", "too_many_cells", _CELLS))
    for name, cell in zip(names, cells, strict=False):
        # Bills and exports put a back-tick before long numbers, so that Excel leaves them alone.
        text = cell.strip(" ").removeprefix("`") if name == "sub_mch_id" else cell.strip(" ")
        if text and text[0] in _FORMULA and not (name == "contact_phone" and text[1:2].isdigit()):
            faults.append(Fault(f"#/{name}", "formula", _FORMULA_CELL))
        elif len(text) > MAX_CELL:
            faults.append(Fault(f"#/{name}", "too_long", _LONG))
        else:
            values[name] = text
    for name in REQUIRED:
        if not values[name] and not any(fault.pointer == f"#/{name}" for fault in faults):
            faults.append(Fault(f"#/{name}", "missing", _MISSING))
    apps, wrong = _apps(values["apps"])
    particulars = Particulars(
        values["short_name"],
        Contact(values["contact_name"], values["contact_phone"], values["contact_email"]),
        values["settlement_note"],
    )
    return Row(
        line=line,
        name=values["name"],
        sub_mch_id=values["sub_mch_id"],
        particulars=particulars,
        apps=apps,
        given=frozenset(name for name, value in values.items() if value),
        faults=(*faults, *wrong),
    )


def _apps(text: str) -> tuple[tuple[NewBinding, ...], list[Fault]]:
    """Read `wx…`, `wx…:公众号` or `wx…:公众号:渠道商`, several of them parted by blanks or semicolons."""
    made: list[NewBinding] = []
    faults: list[Fault] = []
    for part in text.replace(";", " ").replace("；", " ").split():
        appid, _, rest = part.partition(":")
        kind_word, _, owner_word = rest.partition(":")
        kind = _KINDS.get(kind_word) if kind_word else AppKind.MINIPROGRAM
        owner = _OWNERS.get(owner_word) if owner_word else AppOwner.MERCHANT
        if kind is None or owner is None:
            faults.append(Fault("#/apps", "unknown_value", _APP_WORDS))
            continue
        new = NewBinding(appid, kind.value, owner.value)
        faults += [Fault("#/apps", fault.code, fault.text) for fault in new.faults()]
        if appid in {other.sub_appid for other in made}:
            faults.append(Fault("#/apps", "already_bound", _APP_TWICE))
        made.append(new)
    if len(made) > MAX_BINDINGS:
        faults.append(Fault("#/apps", "no_free_slot", _APPS))
    return tuple(made), faults


def _too_many(rows: int) -> Text:
    return Text(
        f"共 {rows} 行，一次最多 {MAX_ROWS} 行，请拆成几个文件。",
        f"has {rows} rows; {MAX_ROWS} are the most at a time. Split the file.",
    )


def _unknown_column(name: str) -> Text:
    words = "、".join(COLUMNS.values())
    return Text(
        f"表头中有不认识的列「{name[:40]}」；可用的列：{words}。请按模板修改。",
        f"has an unknown column “{name[:40]}”; there are: {', '.join(COLUMNS.values())}.",
    )


def _missing_column(header: str) -> Text:
    return Text(
        f"表头缺少必填列「{header}」，请按模板补上。", f"lacks the column “{header}”; see the template."
    )


_ENCODING = Text(
    "不是文本文件：请用 Excel「另存为 CSV」或 UTF-8 文本重新保存。",
    "is not text: save it again as CSV or UTF-8.",
)
_EMPTY = Text("没有数据行：请在表头下面至少填写一行。", "has no rows: fill in at least one below the header.")
_NOT_CSV = Text(
    "引号不成对，无法按 CSV 读取：请检查含引号或换行的单元格。",
    "cannot be read as CSV: a quotation mark is missing its partner.",
)
_HEADER_TWICE = Text("表头中有重复的列，请删除其中一列。", "has a column twice; remove one.")
_CELLS = Text(
    "单元格比表头多，请检查是否多了逗号。", "has more cells than the header: look for a comma too many."
)
_FORMULA_CELL = Text(
    "以 = + - @ 等开头，会被表格软件当作公式，请去掉开头的符号。",
    "begins with = + - @ or the like, which spreadsheets run as a formula; remove that character.",
)
_LONG = Text(f"超过 {MAX_CELL} 个字，请缩短。", f"is longer than {MAX_CELL} characters; shorten it.")
_MISSING = Text("必填，请补上。", "is required; fill it in.")
_APP_WORDS = Text(
    "写法：AppID、AppID:类型 或 AppID:类型:主体，类型为小程序、公众号、App，主体为特约商户、渠道商、服务商。",
    "is written as appid, appid:kind or appid:kind:owner, with the words of the template.",
)
_APP_TWICE = Text("同一行里写了两次，请删除一次。", "names an appid twice; remove one.")
_APPS = Text(
    f"每个特约商户最多绑定 {MAX_BINDINGS} 个 AppID，请删减。",
    f"names more than {MAX_BINDINGS} appids, which is the most of a sub-merchant.",
)
