"""What WeChat knows about providers, their sub-merchants, bound appids and users."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from .ledger import Ledger


@dataclass(frozen=True, slots=True)
class Provider:
    """A merchant number that signs: a service provider, or a plain merchant (`kind` "merchant")."""

    mch_id: str
    appid: str
    kind: str
    api_v2_key: str | None = field(repr=False)
    api_v3_key: str | None = field(repr=False)
    verification: str
    """By what WeChat signs v3: `public_key`, `certificate`, or `both` while it changes over."""

    @property
    def has_sub_merchants(self) -> bool:
        """Service providers name a sub-merchant in every call, plain merchants in none (wechatpay-v2 10)."""
        return self.kind != "merchant"


@dataclass(frozen=True, slots=True)
class ApiCertificate:
    """A certificate of a merchant: it signs v3 calls with its key and opens the TLS port to v2 ones."""

    serial: str
    pem: str


@dataclass(frozen=True, slots=True)
class SubMerchant:
    """A sub-merchant under one provider; the same number under another provider is another row."""

    sub_mch_id: str
    name: str
    wechat_status: str


def find_provider(ledger: Ledger, mch_id: str) -> Provider | None:
    """Return the provider of a merchant number, or None."""
    sql = "SELECT mch_id, appid, kind, api_v2_key, api_v3_key, verification FROM provider WHERE mch_id = ?"
    row = ledger.row(sql, mch_id)
    return None if row is None else Provider(**dict(row))


def another_provider(ledger: Ledger, provider: Provider, mch_id: str) -> Provider:
    """Return the provider of a number, or with "" any other one; raises LookupError when there is none."""
    sql = "SELECT mch_id FROM provider WHERE mch_id = ? OR (? = '' AND mch_id <> ?) ORDER BY mch_id LIMIT 1"
    row = ledger.row(sql, mch_id, mch_id, provider.mch_id)
    found = None if row is None else find_provider(ledger, row["mch_id"])
    if found is None:
        raise LookupError("no other provider is registered")
    return found


def is_linked(ledger: Ledger, mch_id: str, appid: str) -> bool:
    """Tell whether an appid may be used as `appid` with this merchant number."""
    return ledger.row("SELECT 1 FROM linked_appid WHERE mch_id = ? AND appid = ?", mch_id, appid) is not None


def find_sub_merchant(ledger: Ledger, mch_id: str, sub_mch_id: str) -> SubMerchant | None:
    """Return a sub-merchant of this provider, or None."""
    row = ledger.row(
        "SELECT sub_mch_id, name, wechat_status FROM sub_merchant WHERE mch_id = ? AND sub_mch_id = ?",
        mch_id,
        sub_mch_id,
    )
    return None if row is None else SubMerchant(**dict(row))


def another_sub_merchant(ledger: Ledger, mch_id: str, sub_mch_id: str) -> str:
    """Return the number of another sub-merchant of the provider; a made-up one when it is the only one."""
    row = ledger.row(
        "SELECT sub_mch_id FROM sub_merchant WHERE mch_id = ? AND sub_mch_id <> ?"
        " ORDER BY sub_mch_id LIMIT 1",
        mch_id,
        sub_mch_id,
    )
    return "1699999999" if row is None else str(row["sub_mch_id"])


def binding_kind(ledger: Ledger, mch_id: str, sub_mch_id: str, sub_appid: str) -> str | None:
    """Return what kind of appid is bound to the sub-merchant, or None when it is not bound."""
    row = ledger.row(
        "SELECT kind FROM binding WHERE mch_id = ? AND sub_mch_id = ? AND sub_appid = ?",
        mch_id,
        sub_mch_id,
        sub_appid,
    )
    return None if row is None else str(row["kind"])


def sub_appids(ledger: Ledger, mch_id: str, sub_mch_id: str) -> list[str]:
    """Return the appids bound to a sub-merchant."""
    sql = "SELECT sub_appid FROM binding WHERE mch_id = ? AND sub_mch_id = ? ORDER BY sub_appid"
    return [row["sub_appid"] for row in ledger.rows(sql, mch_id, sub_mch_id)]


def api_certificates(ledger: Ledger, mch_id: str) -> list[ApiCertificate]:
    """Return the certificates that are valid for a merchant number, the newest first.

    A merchant who got a new one has two until the old one is revoked (catalogue K05).
    """
    sql = "SELECT serial, pem FROM api_certificate WHERE mch_id = ? AND revoked = 0 ORDER BY rowid DESC"
    return [ApiCertificate(**dict(row)) for row in ledger.rows(sql, mch_id)]


def appid_exists(ledger: Ledger, appid: str) -> bool:
    """Tell whether WeChat has ever heard of an appid."""
    sql = (
        "SELECT 1 FROM linked_appid WHERE appid = ? UNION SELECT 1 FROM binding WHERE sub_appid = ?"
        " UNION SELECT 1 FROM app_secret WHERE appid = ?"
    )
    return ledger.row(sql, appid, appid, appid) is not None


def remember_openid(ledger: Ledger, appid: str, openid: str) -> None:
    """Note that `openid` is a user of `appid`."""
    ledger.run("INSERT OR IGNORE INTO openid (appid, openid) VALUES (?, ?)", appid, openid)


def openid_belongs(ledger: Ledger, appid: str, openid: str) -> bool:
    """Tell whether an openid may be used with an appid.

    One seen under this appid may, one seen only under other appids may not, and one never seen is taken for
    a user who has not logged in here yet.
    """
    rows = ledger.rows("SELECT appid FROM openid WHERE openid = ?", openid)
    return not rows or any(row["appid"] == appid for row in rows)


def same_user_elsewhere(appid: str, openid: str) -> str:
    """Return the openid that a user known elsewhere as `openid` has under `appid`: stable, 28 characters."""
    return "o" + hashlib.sha256(f"{appid}/{openid}".encode()).hexdigest()[:27]
