"""What the page of a kit shows: what to do on WeChat's side, and what lies in the zip."""

from __future__ import annotations

from dataclasses import dataclass

from spapp.console.frame.words import BINDING, BINDING_KIND, Chip
from spapp.kit.facts import API_VERSION, KIT_VERSION, KitBinding, KitFacts
from spapp.web.i18n import N_

INSIDE: tuple[tuple[str, str], ...] = (
    ("README.md", N_("五步说明，已填入商户编号、AppID 和接口地址，含微信侧清单")),
    ("pay.js, pay.d.ts", N_("小程序支付客户端与类型，一个文件，无依赖")),
    ("config.js", N_("公开参数，没有任何密钥")),
    ("example/", N_("可用微信开发者工具直接打开的最小小程序")),
    ("server/", N_("下单与 Webhook 验签示例：Python、Node.js、PHP、Java")),
    ("postman.json, openapi.json", N_("接口集合与接口描述")),
    ("CHECKSUMS.txt", N_("每个文件的 SHA-256")),
)
"""Every file of the kit belongs to one of these; a test compares."""

_SECRET_SET = Chip("ok", N_("已录入"))
_SECRET_MISSING = Chip("bad", N_("未录入"))


@dataclass(frozen=True, slots=True)
class KitLine:
    """One AppID of the checklist; `download` is None for what no kit is made for."""

    binding: KitBinding
    download: str | None

    @property
    def kind_word(self) -> str:
        return BINDING_KIND[self.binding.kind]

    @property
    def chip(self) -> Chip:
        return BINDING[self.binding.status]

    @property
    def secret_chip(self) -> Chip | None:
        """Only a mini-program's login goes through the platform."""
        if not self.binding.is_mini_program:
            return None
        return _SECRET_SET if self.binding.has_secret else _SECRET_MISSING


@dataclass(frozen=True, slots=True)
class KitView:
    """`zip_url` is the address of the zip; `prices_url` that of the price list, where the reader has one."""

    facts: KitFacts
    zip_url: str
    prices_url: str | None

    @property
    def version(self) -> str:
        return f"{KIT_VERSION} · API {API_VERSION}"

    @property
    def inside(self) -> tuple[tuple[str, str], ...]:
        return INSIDE

    @property
    def lines(self) -> tuple[KitLine, ...]:
        offered = {each.sub_appid for each in self.facts.mini_programs}
        return tuple(
            KitLine(each, f"{self.zip_url}?appid={each.sub_appid}" if each.sub_appid in offered else None)
            for each in self.facts.bindings
        )

    @property
    def has_choice(self) -> bool:
        """Whether there are several mini-programs, each with a kit of its own."""
        return len(self.facts.mini_programs) > 1
