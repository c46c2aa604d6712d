"""The kinds of keys as pages name them: addresses, words, and what each is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spapp.web.i18n import N_
from spcore.errors import NotFound
from spcore.providers.models import KeyKind

BASE = "/console/credentials"
COCKPIT_URL = f"{BASE}/public-key"
VERSION_URL = f"{BASE}/api-version"


@dataclass(frozen=True, slots=True)
class KeyPage:
    """`slug` is the kind's part of an address; `lacks` says what does not work without it."""

    kind: KeyKind
    slug: str
    word: str
    icon: str
    lacks: str
    handed_in: bool = True
    """False for what is fetched from WeChat."""

    @property
    def url(self) -> str:
        return f"{BASE}/{self.slug}"

    @property
    def candidate_url(self) -> str:
        return f"{self.url}/candidate"

    @property
    def roll_back_url(self) -> str:
        return f"{self.url}/roll-back"

    def change_of(self, act: str, version: int) -> str:
        """Return where one version is retired (`retire`) or taken back (`restore`)."""
        return f"{self.url}/{act}?version={version}"


API_V2 = KeyPage(
    KeyKind.API_V2,
    "api-v2-key",
    N_("API v2 密钥"),
    "key",
    N_("没有它不能按 APIv2 下单，也不能使用付款码收款。"),
)
API_V3 = KeyPage(
    KeyKind.API_V3,
    "api-v3-key",
    N_("APIv3 密钥"),
    "key",
    N_("没有它不能解密 APIv3 的通知，微信也不会发送通知。"),
)
CERTIFICATE = KeyPage(
    KeyKind.CLIENT_CERTIFICATE,
    "certificate",
    N_("API 证书"),
    "certificate",
    N_("没有它不能退款，不能撤销付款码收款，也不能使用 APIv3。"),
)
PUBLIC_KEY = KeyPage(
    KeyKind.WECHATPAY_PUBLIC_KEY,
    "wechatpay-public-key",
    N_("微信支付公钥"),
    "key",
    N_("新开通的商户号只有公钥；没有公钥或平台证书，APIv3 的应答和通知都无法验签。"),
)
PLATFORM_CERTIFICATE = KeyPage(
    KeyKind.PLATFORM_CERTIFICATE,
    "platform-certificate",
    N_("平台证书"),
    "certificate",
    N_("由后台任务自动下载，每 12 小时更新；只有公钥的商户号没有平台证书。"),
    handed_in=False,
)
PAGES: tuple[KeyPage, ...] = (API_V2, API_V3, CERTIFICATE, PUBLIC_KEY, PLATFORM_CERTIFICATE)
_BY_SLUG: Mapping[str, KeyPage] = {page.slug: page for page in PAGES}


def page_of(slug: str) -> KeyPage:
    """Raises NotFound for what is no kind of key."""
    if slug not in _BY_SLUG:
        raise NotFound
    return _BY_SLUG[slug]


def form_of(slug: str) -> KeyPage:
    """Return the page of a kind that people hand in. Raises NotFound."""
    page = page_of(slug)
    if not page.handed_in:
        raise NotFound
    return page
