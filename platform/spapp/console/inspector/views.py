"""What the inspector's page and command say of a report: causes in words, strings with openids masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spapp.console.frame.words import Tone
from spapp.inspector import Inspected
from spcore.errors import Text
from wechatpay.inspect.recipe import Step
from wechatpay.inspect.sample import Remark, Sample
from wechatpay.inspect.search import Report
from wechatpay.inspect.v3.report import Report as V3Report
from wechatpay.inspect.v3.sample import Message
from wechatpay.inspect.v3.words import WORDS as V3_WORDS
from wechatpay.inspect.words import WORDS, Words
from wechatpay.masking import HIDDEN, mask_openid, mask_serial, mask_value
from wechatpay.v3.auth import SCHEME

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
_VERDICT_V3 = {
    "right": _VERDICT["right"],
    "found": Text("找到了原因：", "The cause was found:"),
    "unexplained": Text(
        "没有找到能解释这个签名的错误。多半是报文或请求头在签名之后改过，或者用了别的私钥；从签名无法得知是哪一种。",
        "No known mistake explains this signature. Most likely body or headers changed after signing, or"
        " another private key was used; which one cannot be known from a signature.",
    ),
}
_SECRET_HEADERS = frozenset({"wechatpay-signature", "wechatpay-nonce", "signature", "nonce", "cookie"})
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
        return _tone(self.report)

    @property
    def verdict(self) -> Text:
        if self.report.verdict == "right" and self.report.remarks:
            return _RIGHT_BUT
        return _VERDICT[self.report.verdict]

    @property
    def causes(self) -> tuple[Cause, ...]:
        return tuple(_cause(each, WORDS) for each in self.report.causes)

    @property
    def algorithm(self) -> str:
        return self.report.algorithm

    @property
    def serial(self) -> str | None:
        """None: API v2 knows keys by their version alone."""
        return None

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """None: the string of API v2 is one line."""
        return ()

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


@dataclass(frozen=True, slots=True)
class V3ReportView:
    """A callback, a request or the parameters of a cashier, signed by RSA. Nothing here was signed by us."""

    message: Message
    report: V3Report

    @property
    def tone(self) -> Tone:
        return _tone(self.report)

    @property
    def verdict(self) -> Text:
        if self.report.verdict == "right" and self.report.remarks:
            return _RIGHT_BUT
        return _VERDICT_V3[self.report.verdict]

    @property
    def causes(self) -> tuple[Cause, ...]:
        return tuple(_cause(each, V3_WORDS) for each in self.report.causes)

    @property
    def algorithm(self) -> str:
        return SCHEME

    @property
    def serial(self) -> str | None:
        """The key it verified under: one of this provider's or of WeChat's for it."""
        return self.report.serial

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """What is signed, line by line: nonce hidden, of the body its length."""
        return self.report.lines

    @property
    def should(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.report.lines)

    @property
    def signed(self) -> None:
        return None

    @property
    def fields(self) -> tuple[tuple[str, str, bool], ...]:
        """Header or parameter, value and whether a cause is about it; of the body nothing."""
        blamed = {(cause.field or "").lower() for cause in self.report.causes}
        given = self.message.fields if self.message.kind == "cashier" else self.message.headers
        return tuple((name, value, name.lower() in blamed) for name, value in _shown(given))


def report_view(found: Inspected) -> ReportView | V3ReportView:
    """Return what is shown of what was found out."""
    sample, report = found
    if isinstance(sample, Message) and isinstance(report, V3Report):
        return V3ReportView(sample, report)
    if isinstance(sample, Sample) and isinstance(report, Report):
        return ReportView(sample, report)
    raise TypeError("a text and its report are of the same API")


def _shown(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if name in _SECRET_HEADERS:
            yield name, HIDDEN
        elif name == "authorization":
            yield name, value.partition(" ")[0][:64]
        elif name == "wechatpay-serial":
            yield name, mask_serial(value)
        else:
            yield name, mask_value(name, value)


def _tone(report: Report | V3Report) -> Tone:
    if report.verdict == "right":
        return "wait" if report.remarks else "ok"
    return "bad" if report.verdict == "found" else "wait"


def masked(name: str, value: str) -> str:
    """Return a value of the person's own text as it is shown back to them."""
    if name.lower() in _HIDDEN_VALUES:
        return HIDDEN
    return mask_openid(value) if name.lower() in _OPENIDS and value else value


def _cause(found: Step | Remark, known: Mapping[str, Words]) -> Cause:
    words = known[found.code]
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
