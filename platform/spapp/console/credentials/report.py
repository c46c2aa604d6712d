"""What a rehearsal said, in plain words (B-13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from spapp.console.credentials.said import NAMES
from spapp.console.frame.words import Chip
from spapp.web.i18n import N_
from spcore.errors import Text
from spcore.providers.candidates import REHEARSAL_COUNTS_FOR
from spcore.providers.models import KeyKind, KeyState
from spcore.providers.rehearsal import Rehearsal
from spcore.providers.rotation import KeyVersion

_RESULTS = {
    "passed": Chip("ok", N_("演练通过")),
    "failed": Chip("bad", N_("演练未通过")),
    "unclear": Chip("wait", N_("没有定论")),
}
_ASKED = {
    "accepted": Chip("ok", N_("被接受")),
    "refused": Chip("bad", N_("被拒绝")),
    "unclear": Chip("wait", N_("没有明确答复")),
    "not_asked": Chip("mute", N_("没有询问")),
}
_QUESTIONS = {
    "orderquery": Text(
        "用它签名，向微信查询一个不存在的订单。",
        "WeChat was asked for an order that cannot exist, signed with it.",
    ),
    "reverse": Text(
        "出示它，请微信撤销一笔不存在的付款码订单。",
        "WeChat was shown it and asked to reverse a payment that never was.",
    ),
    "certificates": Text(
        "用它向微信索取平台证书列表。", "WeChat was asked for its platform certificates with it."
    ),
    "echo": Text(
        "请微信把一段用它加密的消息原样送回，并用它签名应答。",
        "WeChat was asked to send back a message encrypted with it, in an answer signed with it.",
    ),
}
_NOT_ASKED = Text(
    "还缺少提问所需的其他密钥、证书或特约商户，因此没有询问微信。",
    "WeChat was not asked: another key, certificate or a sub-merchant is missing for the question.",
)
_REFUSED = {
    KeyKind.API_V2: Text(
        "微信不认这把密钥：它不是微信侧现在设置的 API v2 密钥（请勿与 APIv3 密钥混淆）。",
        "WeChat does not know it: it is not the API v2 key set there now (nor confuse it with API v3's).",
    ),
    KeyKind.API_V3: Text(
        "微信的应答用它打不开：它不是微信侧现在设置的 APIv3 密钥（请勿与 API v2 密钥混淆）。",
        "WeChat's answer does not open with it: it is not the API v3 key set there now (nor confuse it with"
        " API v2's).",
    ),
    KeyKind.CLIENT_CERTIFICATE: Text(
        "微信不接受这张证书：可能已作废，或微信侧登记的是另一张。",
        "WeChat does not accept this certificate: it was revoked, or another one is registered there.",
    ),
    KeyKind.WECHATPAY_PUBLIC_KEY: Text(
        "微信的应答用它验不过：公钥内容与公钥 ID 不配套，或不是该商户号的公钥。",
        "WeChat's answer does not verify with it: key and id do not belong together, or to this number.",
    ),
}


@dataclass(frozen=True, slots=True)
class RehearsalView:
    report: Rehearsal
    now: datetime

    @property
    def chip(self) -> Chip:
        return _RESULTS[self.report.result]

    @property
    def asked_chip(self) -> Chip:
        return _ASKED[self.report.answer.asked]

    @property
    def counts(self) -> bool:
        """Whether it passed and is recent enough for the candidate to be put to use without a reason."""
        return self.report.result == "passed" and self.now < self.report.ran_at + REHEARSAL_COUNTS_FOR

    @property
    def is_stale(self) -> bool:
        return self.report.result == "passed" and not self.counts

    @property
    def question(self) -> Text:
        return _QUESTIONS.get(self.report.answer.question, _NOT_ASKED)

    @property
    def advice(self) -> Text | None:
        """What a refusal most likely means; that two keys were mixed up is known for sure (pain 21)."""
        if self.report.looks_like is not None:
            name = NAMES[self.report.looks_like]
            return Text(
                f"填错了位置：微信把它认作{name.zh}。请丢弃，再填到{name.zh}。",
                f"Wrong place: WeChat takes it for {name.en}. Give it up and enter it there.",
            )
        return _REFUSED.get(self.report.kind) if self.report.answer.asked == "refused" else None

    @property
    def says_of_samples(self) -> Text:
        tried, passed, old = self.report.tried, self.report.passed, self.report.old
        if not tried:
            return Text("没有可用来试的已存通知。", "There are no stored notifications to try it on.")
        rest = tried - passed - old
        return Text(
            f"试了最近 {tried} 条已存通知：{passed} 条能用它验签或解密；{old} 条是用现用的密钥签发的，"
            f"与它无关；{rest} 条两者都不能。",
            f"It was tried on the last {tried} stored notifications: {passed} verify or open with it; {old}"
            f" were made with the keys in use and say nothing of it; {rest} with neither.",
        )


def mixed_up(candidate: KeyVersion, versions: Iterable[KeyVersion]) -> Text | None:
    """Say that the very same text is in use as another kind of key, which WeChat need not be asked for."""
    for row in versions:
        same = row.fingerprint == candidate.fingerprint and row.state == KeyState.ACTIVE
        if same and row.kind is not candidate.kind:
            name = NAMES[row.kind]
            return Text(
                f"它与现用的{name.zh}完全相同：请确认没有把两把密钥填错位置。",
                f"It is the very same as {name.en} in use: see that the two were not mixed up.",
            )
    return None
