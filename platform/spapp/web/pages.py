"""HTML pages: one environment a language, the filters for money, time and masks, and the answer itself.

Templates show, they do not decide: they get values that are already right and escape everything they print.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.enums import MediaType
from markupsafe import Markup

from spapp.resources import resource, static_files
from spapp.web.i18n import LANGUAGE_COOKIE, LANGUAGES, Language, choose_language, said, translations
from spapp.web.redirects import own_path
from spcore.errors import Text
from wechatpay.money import Fen

Theme: TypeAlias = Literal["light", "dark"]
AnyRequest: TypeAlias = Request[Any, Any, Any]

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has one zone and no summer time since 1991, so that no zone database is needed."""

THEME_COOKIE = "theme"

_ICON_HEAD = re.compile(r"<svg\b[^>]*>", re.DOTALL)
_UNPAINTED = re.compile(r'<path stroke="none" d="M0 0h24v24H0z" fill="none" ?/>')


@dataclass(frozen=True, slots=True)
class Display:
    """How this browser wants to see pages; two cookies that anyone may set and that prove nothing."""

    language: Language
    theme: Theme

    @classmethod
    def of(cls, connection: ASGIConnection[Any, Any, Any, Any]) -> Display:
        cookies = connection.cookies
        theme = cookies.get(THEME_COOKIE)
        return cls(
            language=choose_language(
                cookies.get(LANGUAGE_COOKIE), connection.headers.get("accept-language", "")
            ),
            theme=cast(Theme, theme) if theme in ("light", "dark") else "light",
        )


def money(amount: Fen) -> str:
    """Return an amount as people read yuan: 123450 fen -> ¥1,234.50. The only place where that is done."""
    yuan, rest = divmod(amount.value, 100)
    return f"¥{yuan:,}.{rest:02d}"


def signed_money(fen: int) -> str:
    """Return an amount that may be below zero: -1280 -> -¥12.80."""
    return f"{'-' if fen < 0 else ''}{money(Fen(abs(fen)))}"


def fee(millifen: int) -> str:
    """Return thousandths of a fen with all five decimals, as bills write fees: 7680 -> ¥0.07680."""
    yuan, rest = divmod(abs(millifen), 100_000)
    return f"{'-' if millifen < 0 else ''}¥{yuan:,}.{rest:05d}"


def percent(per_10000: int | None) -> str:
    """Return hundredths of a percent as `92.4%`, rounded half up; a dash for nothing."""
    if per_10000 is None:
        return "—"
    tenths = (per_10000 + 5) // 10
    return f"{tenths // 10}.{tenths % 10}%"


def milliseconds(value: int | None) -> str:
    """Return a time as `640 ms`, from a second on as `1.2 s`; a dash for nothing."""
    if value is None:
        return "—"
    return f"{value} ms" if value < 1000 else f"{value // 1000}.{value % 1000 // 100} s"


def _time(at: datetime, pattern: str) -> Markup:
    local = at.astimezone(SHANGHAI)
    milliseconds = f"{local.microsecond // 1000:03d}"
    shown = local.strftime(pattern).replace("{ms}", milliseconds)
    return Markup('<time datetime="{}">{}</time>').format(local.isoformat(timespec="milliseconds"), shown)


def moment(at: datetime) -> Markup:
    """`2026-11-21 14:32:08`, Shanghai time; the attribute carries the offset."""
    return _time(at, "%Y-%m-%d %H:%M:%S")


def moment_in_list(at: datetime) -> Markup:
    return _time(at, "%m-%d %H:%M:%S")


def moment_in_timeline(at: datetime, began: datetime) -> Markup:
    """Milliseconds, and the day only when it is not the one on which the story began."""
    same_day = at.astimezone(SHANGHAI).date() == began.astimezone(SHANGHAI).date()
    return _time(at, "%H:%M:%S.{ms}" if same_day else "%m-%d %H:%M:%S.{ms}")


def mask_openid(openid: str) -> str:
    """First five and last four characters; a short one, which WeChat never makes, is hidden altogether."""
    return f"{openid[:5]}****{openid[-4:]}" if len(openid) > 12 else "****"


def mask_mch_id(mch_id: str) -> str:
    """`1600****21`: in headers only, a page about the number itself shows all of it."""
    return f"{mch_id[:4]}****{mch_id[-2:]}"


def short_appid(appid: str) -> str:
    return f"{appid[:4]}…{appid[-4:]}"


@cache
def icon(name: str) -> Markup:
    """Return a vendored Tabler icon for inlining. Decoration only: the words beside it say the same."""
    source = (static_files() / "vendor" / "tabler" / f"{name}.svg").read_text(encoding="utf-8")
    head = (
        '<svg class="c-ic" aria-hidden="true" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        ' stroke-linecap="round" stroke-linejoin="round">'
    )
    drawn = _UNPAINTED.sub("", _ICON_HEAD.sub(head, source, count=1))
    return Markup(" ".join(drawn.split()))  # noqa: S704 - our own vendored file


@cache
def static(path: str) -> str:
    """Return the URL of a file of ours; it changes with the content, so that caches may keep it for ever."""
    digest = hashlib.sha256((static_files() / path).read_bytes()).hexdigest()[:10]
    return f"/static/{path}?v={digest}"


@cache
def environment(language: Language) -> Environment:
    made = Environment(
        loader=FileSystemLoader(resource("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.install_gettext_translations(  # type: ignore[attr-defined]
        translations(language), newstyle=True
    )
    made.filters |= {
        "fee": fee,
        "milliseconds": milliseconds,
        "money": money,
        "percent": percent,
        "moment": moment,
        "moment_in_list": moment_in_list,
        "moment_in_timeline": moment_in_timeline,
        "mask_openid": mask_openid,
        "mask_mch_id": mask_mch_id,
        "short_appid": short_appid,
        "signed_money": signed_money,
    }

    def speak(text: Text) -> str:
        return said(text, language)

    made.filters["said"] = speak
    made.globals |= {"icon": icon, "static": static, "languages": LANGUAGES, "language": language}
    return made


def render(template: str, display: Display, /, **context: Any) -> str:
    """Return the text of a page. Raises UndefinedError when the template asks for what it was not given."""
    return environment(display.language).get_template(template).render(theme=display.theme, **context)


def page(request: AnyRequest, template: str, /, *, status: int = 200, **context: Any) -> Response[str]:
    """Answer with a page in the reader's language and theme.

    Never cached: pages hold payment data and differ by cookie and by whether htmx asked for a part.
    """
    return Response(
        render(template, Display.of(request), here=here(request), **context),
        status_code=status,
        media_type=MediaType.HTML,
        headers={"Cache-Control": "no-store", "Vary": "HX-Request, Cookie, Accept-Language"},
    )


def is_htmx(request: AnyRequest) -> bool:
    """Whether htmx asks for a part of a page; a history restore wants the whole one."""
    headers = request.headers
    return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"


def here(request: AnyRequest) -> str:
    """Return path and query of the page, to come back to."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def way_back(request: AnyRequest) -> str:
    """Return the page before this one when it was ours, else the start page."""
    before = urlsplit(request.headers.get("hx-current-url") or request.headers.get("referer", ""))
    if before.netloc != request.headers.get("host") or before.path == request.url.path:
        return "/"
    return own_path(before.path + (f"?{before.query}" if before.query else ""), "/")
