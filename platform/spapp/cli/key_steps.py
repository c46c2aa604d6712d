"""The steps of replacing a key from the command line: hand in, rehearse, promote, roll back (B-13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spapp.wiring import Services
from spcore.db.scope import ProviderScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.providers.material import KeyMaterial, client_certificate, public_key, symmetric_key
from spcore.providers.models import KeyKind, KeyState
from spcore.providers.rehearsal import Rehearsal
from spcore.providers.rotation import Origin

KINDS = {
    "api_v2": KeyKind.API_V2,
    "api_v3": KeyKind.API_V3,
    "certificate": KeyKind.CLIENT_CERTIFICATE,
    "public_key": KeyKind.WECHATPAY_PUBLIC_KEY,
}
_RESULTS = {
    "passed": "演练通过 rehearsal passed",
    "failed": "演练未通过 rehearsal failed",
    "unclear": "演练无结论 rehearsal unclear",
}
_PEM_MARK = b"-----BEGIN"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller gave. `given` is the content of FILE, None without one."""

    kind: KeyKind
    given: bytes | None = field(repr=False)
    key_id: str
    password: str = field(repr=False)
    despite: str | None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, for machines and for people."""

    answer: dict[str, Any]
    words: str
    went_well: bool = True


class KeySteps:
    """Each raises what the service behind it does, and InvalidInput for a FILE that is missing or wrong."""

    def __init__(self, services: Services, scope: ProviderScope, origin: Origin, wish: Wish) -> None:
        self._services = services
        self._scope = scope
        self._origin = origin
        self._wish = wish

    async def replace(self) -> Done:
        """Put FILE into use at once."""
        put = await self._services.provider_keys.replace(self._scope, await self._material(), self._origin)
        words = (
            "已更换 replaced" if put.changed else "与现用的相同，未更改 the same as before, nothing changed"
        )
        return Done({"version": put.version, "changed": put.changed}, words)

    async def go(self, *, candidate: bool, rehearse: bool, promote: bool) -> Done:
        """Take the steps that are wished for, in their order, up to a rehearsal that did not pass."""
        candidates = self._services.candidates
        if candidate:
            version = await candidates.put(self._scope, await self._material(), self._origin, proven=True)
        else:
            version = await self._version()
        answer: dict[str, Any] = {"version": version, "state": "candidate"}
        words = "候选 candidate"
        if rehearse:
            told = await self._services.rehearsals.rehearse(
                self._scope, self._wish.kind, version, self._origin
            )
            answer["rehearsal"] = _report(told)
            words = f"{_RESULTS[told.result]}: {told.passed}/{told.tried}, {told.answer.asked}"
            if told.result != "passed" and not (promote and self._wish.despite):
                return Done(answer, words, went_well=False)
        if promote:
            await candidates.promote(self._scope, self._wish.kind, version, self._origin, self._wish.despite)
            answer["state"], words = "active", f"{words}，已启用 promoted"
        return Done(answer, words)

    async def roll_back(self) -> Done:
        version = await self._services.candidates.roll_back(self._scope, self._wish.kind, self._origin)
        return Done({"version": version, "state": "active"}, "已退回，现用此版本 active again")

    async def _version(self) -> int:
        for row in await self._services.provider_keys.versions(self._scope):
            if row.kind is self._wish.kind and row.state == KeyState.CANDIDATE:
                return row.version
        raise NotFound

    async def _material(self) -> KeyMaterial:
        given, kind = self._wish.given, self._wish.kind
        if given is None:
            raise InvalidInput(Fault("FILE", "missing", _MISSING))
        if kind is KeyKind.WECHATPAY_PUBLIC_KEY:
            return public_key(self._wish.key_id, given)
        if kind is not KeyKind.CLIENT_CERTIFICATE:
            return symmetric_key(kind, given.decode("latin-1").rstrip("\r\n"))
        if given.count(_PEM_MARK) < 2 and (not given.strip() or _PEM_MARK in given):
            raise InvalidInput(Fault("FILE", "not_pem", _TWO_BLOCKS))
        mch_id = await self._services.provider_keys.mch_id(self._scope)
        now = self._services.clock.now()
        return client_certificate(given, password=self._wish.password, mch_id=mch_id, now=now)


def _report(told: Rehearsal) -> dict[str, Any]:
    return {
        "result": told.result,
        "tried": told.tried,
        "passed": told.passed,
        "old": told.old,
        "asked": told.answer.asked,
        "question": told.answer.question,
        "code": told.answer.code,
        "looks_like": told.looks_like,
    }


_MISSING = Text("缺少：请给出密钥或证书文件", "is missing: name the file of the key or certificate")
_TWO_BLOCKS = Text(
    "须含证书与私钥两个 PEM 段（-----BEGIN CERTIFICATE----- 与 -----BEGIN PRIVATE KEY-----），或为 P12 文件",
    "must hold two PEM blocks, the certificate and its private key, or be a P12 file.",
)
