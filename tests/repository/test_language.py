"""The words people read: one word for one thing, in Chinese and English (glossary), and the manners of texts.

Looked at: every text of templates and of the pages' code with its English entry, and every `Text(zh, en)` in
the packages. What is quoted from WeChat's own menus stays as WeChat writes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from tests.support.catalogue import texts

from spapp.resources import resource

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("platform/spapp", "platform/spcore", "platform/wechatpay", "tenants/sptenants")

WECHATS_OWN = (
    "特约商户APPID配置",
    "服务商功能 → 子商户管理",
    "子商户管理 →",
    "「子商户管理」",
    "“交易单号”",
    "“子商户管理”",
)
"""Menu entries and labels of WeChat's, which people have to find under exactly these words."""
HEADER = "webhook-id"


@dataclass(frozen=True, slots=True)
class Rule:
    """A word that is not ours. `unless` names the places (parts of the path) where it is right."""

    word: str
    instead: str
    unless: tuple[str, ...] = ()


CHINESE = (
    Rule("子商户", "特约商户"),
    Rule(
        "租户",
        "特约商户",
        unless=("admin", "menu.py", "routing", "operations", "analytics", "visits", "looking", "exports"),
    ),
    Rule("回调", "支付通知（微信→我们）或 Webhook（我们→商户）", unless=("explain", "inspect")),
    Rule("交易单号", "微信支付订单号"),
    Rule("外部订单号", "商户单号"),
    Rule("分润", "分账"),
    Rule("分帐", "分账"),
    Rule("帐号", "账号"),
    Rule("帐单", "对账单"),
    Rule("登陆", "登录"),
    Rule("秘钥", "密钥"),
    Rule("小程序端", "小程序"),
    Rule("webhook", "Webhook"),
    Rule("Appid", "AppID"),
    Rule("APPID", "AppID", unless=("explain",)),
    Rule("！", "。（没有感叹号）"),
    Rule("抱歉", "说明原因和办法"),
    Rule("请联系管理员", "说明谁、做什么"),
)
ENGLISH = (
    Rule(r"\bsub[ _]?merchants?\b", "sub-merchant"),
    Rule(
        r"\bcallbacks?\b",
        "notification (WeChat → us) or webhook (us → merchant)",
        unless=("explain", "inspect"),
    ),
    Rule(r"\bWeb-?[Hh]ooks?\b(?<!Webhook)(?<!Webhooks)", "webhook"),
    Rule(r"\be-?wallet\b", "WeChat Pay"),
    Rule(
        r"\blog ?in\b(?! through)",
        "sign in",
        unless=(
            "wizard",
            "onboarding",
            "doctor",
            "explain",
            "inspect",
            "registry",
            "sessions",
            "miniprogram",
            "kit",
            "bindings",
            "tenants",
            "golive",
            "demo",
        ),
    ),
    Rule(r"!", "no exclamation marks"),
    Rule(r"\b[Oo]ops\b", "what happened, why, what to do"),
    Rule(r"\b[Ss]orry\b", "what happened, why, what to do"),
)


@dataclass(frozen=True, slots=True)
class Said:
    where: str
    zh: str
    en: str


def _of_pages() -> Iterator[Said]:
    english: dict[str, str] = {}
    for path in sorted((resource("templates") / "locale" / "en" / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            english |= {str(entry.id): str(entry.string) for entry in read_po(file, locale="en") if entry.id}
    for zh, where in texts().items():
        yield Said(where, zh, english.get(zh, ""))


def _of_code() -> Iterator[Said]:
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Text"):
                    continue
                words = [_literal(argument) for argument in node.args]
                if len(words) == 2:
                    yield Said(f"{path.relative_to(ROOT)}:{node.lineno}", *words)


def _literal(node: ast.expr) -> str:
    """The fixed words of a string, f-strings without what they fill in."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))


def everything() -> list[Said]:
    return [*_of_pages(), *_of_code()]


def _breaches(text: str, where: str, rules: tuple[Rule, ...], *, pattern: bool) -> Iterator[str]:
    for own in (*WECHATS_OWN, HEADER):
        text = text.replace(own, "")
    for rule in rules:
        found = re.search(rule.word, text) if pattern else rule.word in text
        if found and not any(part in where for part in rule.unless):
            yield f"{where}: {rule.word} -> {rule.instead}: {text}"


def test_there_is_enough_to_read() -> None:
    said = everything()
    assert len(said) > 700
    assert sum(1 for each in said if ".py:" in each.where) > 200


def test_chinese_texts_keep_to_the_glossary() -> None:
    found = [
        breach for said in everything() for breach in _breaches(said.zh, said.where, CHINESE, pattern=False)
    ]
    assert found == []


def test_english_texts_keep_to_the_glossary() -> None:
    found = [
        breach for said in everything() for breach in _breaches(said.en, said.where, ENGLISH, pattern=True)
    ]
    assert found == []


def test_every_text_of_the_code_speaks_both_languages() -> None:
    """Chinese has Chinese in it or is the same in both (names, codes); English has no Chinese in it."""
    chinese = re.compile(r"[\u4e00-\u9fff]")
    quoted = re.compile(r"[“「][^”」]*[”」]|[A-Za-z.]*[（(][^）)]*[）)]|→ [\u4e00-\u9fff]+")
    wrong = [
        f"{said.where}: {said.zh} | {said.en}"
        for said in _of_code()
        if (re.search(r"\w", said.zh) and not chinese.search(said.zh) and said.zh != said.en)
        or chinese.search(quoted.sub("", said.en))
    ]
    assert wrong == []


def test_half_width_punctuation_does_not_follow_chinese() -> None:
    wrong = [
        f"{said.where}: {said.zh}"
        for said in everything()
        if re.search(r"[\u4e00-\u9fff][,;!?](?![0-9])", said.zh)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("zh", "en"),
    [
        pytest.param("子商户已停用", "", id="a word of the articles"),
        pytest.param("处理成功！", "", id="an exclamation mark"),
        pytest.param("", "The sub merchant is closed", id="a spelling of its own"),
    ],
)
def test_a_breach_is_found(zh: str, en: str) -> None:
    found = [
        *_breaches(zh, "a page", CHINESE, pattern=False),
        *_breaches(en, "a page", ENGLISH, pattern=True),
    ]
    assert len(found) == 1
