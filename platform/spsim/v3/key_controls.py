"""Controls of WeChat's keys and of API v3 of one provider; `GET /_sim/` lists them with the others.

GET /_sim/v3/keys
    `?mch_id=`: by what WeChat signs (`verification`), `public_keys` and `certificates` that are not retired
    with their times, `api_certificates` of the merchant that are valid (serials), and the `rules`.
POST /_sim/v3/keys
    `mch_id` and `action`; answers as GET, and with `serial` what was made. `mode` (`verification`:
    `public_key`, `certificate`, `both`); `share` (`percent`, `of`: `public_key` (default) for notifications
    while verification is `both`, `new_certificate` for all that the newest of several certificates signs);
    `rotate_certificate` (`effective_in_s`, `valid_for_s`, `percent`): one more platform certificate, which
    signs `percent` (100) once it is effective; `retire_certificates` (`serial`, all when left out, then
    verification is `public_key`); `new_public_key`; `retire_public_key` (`serial`);
    `revoke_api_certificate` (`serial`): a certificate of the merchant is not valid any more; `rules`: any of
    `clock_offset_s` (this gateway's clock against ours), `cross_version` (true: v2 and v3 may query and
    refund each other's orders), `refuse_repeated_nonce` (false), `keep_old_key_retries` (true: what was
    queued before the API v2 key changed keeps being signed by the old one), `keep_old_v3_key_retries`
    (false).
    A new API key or client certificate of the merchant is told by `POST /_sim/providers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Final

from spsim.certificates import Authority
from spsim.clock import iso_time
from spsim.control_input import (
    ControlRefused,
    Document,
    bad_request,
    choice,
    flag,
    needed_text,
    only,
    seconds,
    text,
)
from spsim.registry import Provider, api_certificates, find_provider
from spsim.world import World

from . import keys, rules
from .keys import WechatKey
from .rules import ProviderRules

_SHARES: Final = ("public_key", "new_certificate")
_FLAGS: Final = (
    "cross_version",
    "refuse_repeated_nonce",
    "keep_old_key_retries",
    "keep_old_v3_key_retries",
)
_Action = Callable[["KeyControls", Provider, Document], str | None]


@dataclass(frozen=True, slots=True)
class KeyControls:
    """The controls as plain functions from JSON to JSON. All raise ControlRefused."""

    world: World
    authority: Callable[[], Authority]

    def describe(self, mch_id: str | None) -> Document:
        """Return the keys and rules of a provider."""
        provider = self._provider({"mch_id": mch_id})
        ledger, now = self.world.ledger, self.world.clock.now_ms()
        return {
            "mch_id": provider.mch_id,
            "verification": provider.verification,
            "public_keys": [
                {"id": key.serial, "pem": key.public_pem}
                for key in keys.every(ledger, provider.mch_id, keys.PUBLIC_KEY)
            ],
            "certificates": [
                _certificate(key, now) for key in keys.every(ledger, provider.mch_id, keys.CERTIFICATE)
            ],
            "api_certificates": [known.serial for known in api_certificates(ledger, provider.mch_id)],
            "rules": asdict(rules.of(ledger, provider.mch_id)),
        }

    def change(self, document: Document) -> Document:
        """Change one thing."""
        provider = self._provider(document)
        names, action = _ACTIONS[choice(document, "action", tuple(_ACTIONS), "")]
        only(document, "mch_id", "action", *names)
        with self.world.ledger.transaction():
            serial = action(self, provider, document)
        made: Document = {} if serial is None else {"serial": serial}
        return self.describe(provider.mch_id) | made

    def _provider(self, document: Document) -> Provider:
        provider = find_provider(self.world.ledger, needed_text(document, "mch_id"))
        if provider is None:
            raise ControlRefused(404, "NO_SUCH_MERCHANT", "商户不存在", "register it by POST /_sim/providers")
        return provider

    def _set_mode(self, provider: Provider, document: Document) -> None:
        self._verify_by(provider, choice(document, "verification", keys.MODES, ""))

    def _verify_by(self, provider: Provider, verification: str) -> None:
        change = "UPDATE provider SET verification = ? WHERE mch_id = ?"
        self.world.ledger.run(change, verification, provider.mch_id)

    def _set_share(self, provider: Provider, document: Document) -> None:
        known, percent = rules.of(self.world.ledger, provider.mch_id), _percent(document, None)
        if choice(document, "of", _SHARES, "public_key") == "public_key":
            self._keep(provider, replace(known, public_key_share=percent))
        else:
            self._keep(provider, replace(known, new_certificate_share=percent))

    def _rotate(self, provider: Provider, document: Document) -> str:
        """Issue one more certificate; only then has the share of the newest one a meaning."""
        effective_in_ms = int(seconds(document, "effective_in_s", 0) * 1000)
        effective_at = self.world.clock.now_ms() + effective_in_ms
        known = rules.of(self.world.ledger, provider.mch_id)
        self._keep(provider, replace(known, new_certificate_share=_percent(document, 100)))
        life_s = seconds(document, "valid_for_s", keys.CERTIFICATE_LIFE_S)
        return keys.issue_certificate(
            self.world.ledger, self.authority(), provider.mch_id, effective_at, life_s
        )

    def _retire_certificates(self, provider: Provider, document: Document) -> None:
        self._retire(provider, keys.CERTIFICATE, text(document, "serial"))
        if not keys.every(self.world.ledger, provider.mch_id, keys.CERTIFICATE):
            self._verify_by(provider, keys.PUBLIC_KEY)

    def _new_public_key(self, provider: Provider, _document: Document) -> str:
        return keys.issue_public_key(self.world.ledger, provider.mch_id)

    def _retire_public_key(self, provider: Provider, document: Document) -> None:
        if len(keys.every(self.world.ledger, provider.mch_id, keys.PUBLIC_KEY)) == 1:
            raise ControlRefused(409, "LAST_KEY", "至少保留一个微信支付公钥")
        self._retire(provider, keys.PUBLIC_KEY, needed_text(document, "serial"))

    def _retire(self, provider: Provider, kind: str, serial: str | None) -> None:
        if keys.retire(self.world.ledger, provider.mch_id, kind, serial) == 0:
            raise _nothing_there()

    def _revoke(self, provider: Provider, document: Document) -> None:
        change = "UPDATE api_certificate SET revoked = 1 WHERE mch_id = ? AND serial = ? AND revoked = 0"
        if self.world.ledger.run(change, provider.mch_id, needed_text(document, "serial")) == 0:
            raise _nothing_there()

    def _set_rules(self, provider: Provider, document: Document) -> None:
        if not document.keys() & {"clock_offset_s", *_FLAGS}:
            raise bad_request(f"give any of clock_offset_s, {', '.join(_FLAGS)}")
        known = asdict(rules.of(self.world.ledger, provider.mch_id))
        known |= {name: flag(document, name, default=known[name]) for name in _FLAGS}
        known["clock_offset_s"] = _offset(document, known["clock_offset_s"])
        self._keep(provider, ProviderRules(**known))

    def _keep(self, provider: Provider, wanted: ProviderRules) -> None:
        rules.keep(self.world.ledger, provider.mch_id, wanted)


_ACTIONS: Final[dict[str, tuple[tuple[str, ...], _Action]]] = {
    "mode": (("verification",), KeyControls._set_mode),
    "share": (("percent", "of"), KeyControls._set_share),
    "rotate_certificate": (("effective_in_s", "valid_for_s", "percent"), KeyControls._rotate),
    "retire_certificates": (("serial",), KeyControls._retire_certificates),
    "new_public_key": ((), KeyControls._new_public_key),
    "retire_public_key": (("serial",), KeyControls._retire_public_key),
    "revoke_api_certificate": (("serial",), KeyControls._revoke),
    "rules": (("clock_offset_s", *_FLAGS), KeyControls._set_rules),
}
"""The parameters of each action, and what it does; it returns the serial of what it made."""


def _percent(document: Document, default: float | None) -> float:
    value = document.get("percent", default)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
        return value
    raise bad_request("percent must be a number from 0 to 100")


def _offset(document: Document, default: float) -> float:
    value = document.get("clock_offset_s", default)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9:
        return value
    raise bad_request("clock_offset_s must be a number of seconds")


def _nothing_there() -> ControlRefused:
    return ControlRefused(404, "NOTHING_THERE", "没有这样的密钥", "there is no such key or certificate")


def _certificate(key: WechatKey, now_ms: int) -> Document:
    return {
        "serial": key.serial,
        "pem": key.public_pem,
        "effective_at": iso_time(key.effective_at),
        "expires_at": iso_time(key.expires_at or 0),
        "alive": key.alive(now_ms),
    }
