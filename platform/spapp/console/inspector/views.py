"""What the inspector's page and command say of a report: causes in words, strings with openids masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spapp.console.frame.words import Tone
from spcore.errors import Text
from wechatpay.inspect.recipe import Step
from wechatpay.inspect.sample import Remark, Sample
from wechatpay.inspect.search import Report
from wechatpay.inspect.words import WORDS
from wechatpay.masking import HIDDEN, mask_openid

_OPENIDS = frozenset({"openid", "sub_openid"})
_HIDDEN_VALUES = frozenset({"auth_code"})
_SOME = Text("若干字段", "several fields")

_VERDICT = {
    "right": Text("签名正确。", "The signature is right."),
    "found": Text(
        "找到了原因：按下面的错误方式可以得到这个签名。",
        "The cause was found: this signature comes about in the way below.",
    ),
    "unexplained": Text(
        "没有找到能解释这个签名的错误。多半是密钥不同，或某个字段的值在签名之后改过；改成了什么，从签名无法得知。",
        "No known mistake explains this signature. Most likely another key was used, or a value changed after"
        " signing; which one cannot be known from a signature.",
    ),
}
_RIGHT_BUT = Text(
    "签名与字段相符，但报文本身有问题：", "The signature fits the fields, but the text itself has a fault:"
)


@dataclass(frozen=True, slots=True)
class Cause:
    """One mistake: what it is, and how it is mended."""

    code: str
    field: str | None
    what: Text
    fix: Text


@dataclass(frozen=True, slots=True)
class ReportView:
    sample: Sample
    report: Report

    @property
    def tone(self) -> Tone:
        if self.report.verdict == "right":
            return "wait" if self.report.remarks else "ok"
        return "bad" if self.report.verdict == "found" else "wait"

    @property
    def verdict(self) -> Text:
        if self.report.verdict == "right" and self.report.remarks:
            return _RIGHT_BUT
        return _VERDICT[self.report.verdict]

    @property
    def causes(self) -> tuple[Cause, ...]:
        return tuple(_cause(each) for each in self.report.causes)

    @property
    def should(self) -> str:
        """The string that the rules sign, the key as dots."""
        return _string(self.report.should)

    @property
    def signed(self) -> str | None:
        """The string that was signed, when it was another one."""
        signed = self.report.signed
        return _string(signed) if signed and signed != self.report.should else None

    @property
    def fields(self) -> tuple[tuple[str, str, bool], ...]:
        """Name, value and whether a cause is about it, in the order of the text."""
        blamed = {cause.field for cause in self.report.causes}
        return tuple((name, masked(name, value), name in blamed) for name, value in self.sample.fields)


def masked(name: str, value: str) -> str:
    """Return a value of the person's own text as it is shown back to them."""
    if name.lower() in _HIDDEN_VALUES:
        return HIDDEN
    return mask_openid(value) if name.lower() in _OPENIDS and value else value


def _cause(found: Step | Remark) -> Cause:
    words = WORDS[found.code]
    field = Text(found.field, found.field) if found.field else _SOME
    return Cause(
        found.code,
        found.field,
        Text(words.zh.replace("{field}", field.zh), words.en.replace("{field}", field.en)),
        Text(words.fix_zh.replace("{field}", field.zh), words.fix_en.replace("{field}", field.en)),
    )


def _string(parts: Sequence[tuple[str, str]]) -> str:
    joined = "&".join(f"{name}={masked(name, value)}" for name, value in parts)
    return f"{joined}&key={HIDDEN}"
