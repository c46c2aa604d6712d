"""Trying a candidate before it takes over (acceptance B-13): against what came in, and by asking WeChat.

A new symmetric key cannot open or verify what was made with the old one, which is no fault of its own: such
samples are reported as `old`. What speaks for a candidate is WeChat's answer to a harmless question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast

import structlog
from sqlalchemy import insert, select

from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.errors import NotFound
from spcore.ids import new_id
from spcore.providers.certificates import load_private_key, platform_key, split_bundle
from spcore.providers.echo_trial import EchoTrial
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from spcore.providers.keys import key_context, let_candidate_verify
from spcore.providers.models import KeyKind, KeyRehearsal, KeyState, Provider, ProviderKey
from spcore.providers.profile import ProviderProfile
from spcore.providers.questions import NO_CERTIFICATES, NOT_ASKED, Answer, Asked, Questions
from spcore.providers.rotation import Origin
from spcore.providers.samples import Samples
from spcore.providers.trying import Outcome, try_platform_key, try_v2_key, try_v3_key
from spcore.vault import Vault, VaultError
from wechatpay.credentials import ApiV3Key, ClientCertificate, V2Key, V3Key
from wechatpay.v3.platform_keys import PlatformKeys

SAMPLES_TRIED = 50

Result: TypeAlias = Literal["passed", "failed", "unclear"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What one trial told.

    Of `tried` samples the candidate accepts `passed`, the keys in use alone `old`, and nobody the others.
    `looks_like` is the kind that the secret really is, when WeChat took it for that: the API v2 key in the
    place of the API v3 key, or the reverse (pain 21).
    """

    id: str
    kind: KeyKind
    version: int
    tried: int
    passed: int
    old: int
    answer: Answer
    result: Result
    looks_like: KeyKind | None
    samples: Mapping[str, Outcome] = field(repr=False)
    """By the numbers of the notifications, the newest first."""
    ran_by: str
    ran_at: datetime


@dataclass(frozen=True, slots=True)
class _Candidate:
    provider: ProviderProfile
    kind: KeyKind
    version: int
    label: str | None
    not_after: datetime | None
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Trial:
    outcomes: Mapping[str, Outcome]
    answer: Answer
    looks_like: KeyKind | None = None


@dataclass(frozen=True, slots=True)
class _Present:
    """The keys in use, as far as there are any."""

    v2: tuple[V2Key, ...]
    own: V3Key | None
    opening: tuple[ApiV3Key, ...]
    platform: PlatformKeys

    def without(self, candidate: _Candidate) -> _Present:
        """Return the same but for the candidate, which verifies and opens already."""
        if candidate.kind is KeyKind.API_V2:
            return replace(self, v2=tuple(key for key in self.v2 if key.version != candidate.version))
        if candidate.kind is KeyKind.API_V3:
            opening = tuple(key for key in self.opening if key.version != candidate.version)
            return replace(self, opening=opening)
        return self


class Rehearsals:
    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        keyring: Keyring,
        samples: Samples,
        questions: Questions,
        echo_trial: EchoTrial,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._keyring = keyring
        self._samples = samples
        self._questions = questions
        self._echo_trial = echo_trial

    async def rehearse(self, scope: ProviderScope, kind: KeyKind, version: int, origin: Origin) -> Rehearsal:
        """Try a candidate and store the report. Takes some seconds, without a transaction (rule T3).

        Raises NotFound unless this version is a candidate, ProviderNotReady when it does not open (K08).
        """
        candidate = await self._candidate(scope, kind, version)
        present = (await self._present(candidate.provider)).without(candidate)
        trial = await self._try(scope, candidate, present)
        rehearsal = self._report(candidate, trial, origin)
        await self._store(scope, rehearsal, origin)
        return rehearsal

    async def last(self, scope: ProviderScope, kind: KeyKind, version: int) -> Rehearsal | None:
        """Return the newest report about one version, None when it was never tried."""
        query = (
            select(KeyRehearsal)
            .where(
                KeyRehearsal.provider_id == scope.provider_id,
                KeyRehearsal.kind == kind.value,
                KeyRehearsal.version == version,
            )
            .order_by(KeyRehearsal.id.desc())
            .limit(1)
        )
        async with self._database.read(scope) as session:
            row = await session.scalar(query)
        return None if row is None else _rehearsal(row)

    async def _candidate(self, scope: ProviderScope, kind: KeyKind, version: int) -> _Candidate:
        query = (
            select(Provider, ProviderKey.sealed, ProviderKey.label, ProviderKey.not_after)
            .join(ProviderKey, ProviderKey.provider_id == Provider.id)
            .where(
                Provider.id == scope.provider_id,
                ProviderKey.kind == kind.value,
                ProviderKey.version == version,
                ProviderKey.state == KeyState.CANDIDATE.value,
            )
        )
        async with self._database.read(scope) as session:
            row = (await session.execute(query)).one_or_none()
        if row is None:
            raise NotFound
        try:
            secret = self._vault.open(row.sealed, key_context(scope.provider_id, kind.value, version))
        except VaultError:
            raise ProviderNotReady.unreadable_key() from None
        return _Candidate(ProviderProfile.of(row.Provider), kind, version, row.label, row.not_after, secret)

    async def _present(self, provider: ProviderProfile) -> _Present:
        now = self._clock.now()
        try:
            v2 = (await self._keyring.v2(provider.id, provider.key_epoch)).verifying(now)
        except ProviderNotReady:
            v2 = ()
        try:
            v3 = await self._keyring.v3(provider.id, provider.key_epoch)
        except ProviderNotReady:
            return _Present(v2, None, (), PlatformKeys())
        try:
            own: V3Key | None = v3.introducing(now)
        except ProviderNotReady:
            own = None
        return _Present(v2, own, v3.still_opening(now), v3.platform)

    async def _try(self, scope: ProviderScope, candidate: _Candidate, present: _Present) -> _Trial:
        match candidate.kind:
            case KeyKind.API_V2:
                return await self._v2_key(scope, candidate, present)
            case KeyKind.API_V3:
                return await self._v3_key(scope, candidate, present)
            case KeyKind.CLIENT_CERTIFICATE:
                return _Trial({}, await self._certificate(candidate, present))
            case KeyKind.WECHATPAY_PUBLIC_KEY:
                return await self._public_key(scope, candidate, present)
            case _:
                raise NotFound  # platform certificates come from WeChat itself

    async def _v2_key(self, scope: ProviderScope, candidate: _Candidate, present: _Present) -> _Trial:
        text, provider = candidate.secret.decode("ascii"), candidate.provider
        key = V2Key(candidate.version, text)
        samples = await self._samples.last(scope, "v2", SAMPLES_TRIED)
        outcomes = {sample.id: try_v2_key(sample, key, present.v2) for sample in samples}
        answer = await self._questions.v2_key(provider, key)
        if answer.asked != "refused" or present.own is None:
            return _Trial(outcomes, answer)
        other = await self._questions.v3_key(provider, present.own, ApiV3Key(candidate.version, text))
        return _Trial(outcomes, answer, KeyKind.API_V3 if other.asked == "accepted" else None)

    async def _v3_key(self, scope: ProviderScope, candidate: _Candidate, present: _Present) -> _Trial:
        text, provider = candidate.secret.decode("ascii"), candidate.provider
        key = ApiV3Key(candidate.version, text)
        samples = await self._samples.last(scope, "v3", SAMPLES_TRIED)
        outcomes = {
            sample.id: try_v3_key(sample, key, present.opening, present.platform) for sample in samples
        }
        if present.own is None:
            return _Trial(outcomes, NOT_ASKED)
        answer = await self._questions.v3_key(provider, present.own, key)
        if answer.code == NO_CERTIFICATES:
            answer = await self._echo_trial.ask(provider, present.own, key, present.opening)
        if answer.asked == "accepted":
            return _Trial(outcomes, answer)
        other = await self._questions.v2_key(provider, V2Key(candidate.version, text))
        return _Trial(outcomes, answer, KeyKind.API_V2 if other.asked == "accepted" else None)

    async def _certificate(self, candidate: _Candidate, present: _Present) -> Answer:
        cert_pem, key_pem = split_bundle(candidate.secret)
        serial, provider = candidate.label or "", candidate.provider
        speaks_v3 = provider.api_version == "v3" or bool(present.opening)
        if speaks_v3 or not present.v2:
            own = V3Key(candidate.version, serial, load_private_key(key_pem), present.platform)
            return await self._questions.certificate(provider, own, present.opening)
        shown = ClientCertificate(candidate.version, serial, cert_pem, key_pem)
        return await self._questions.v2_certificate(provider, present.v2[0], shown)

    async def _public_key(self, scope: ProviderScope, candidate: _Candidate, present: _Present) -> _Trial:
        serial = candidate.label or ""
        key = platform_key(candidate.kind, serial, candidate.secret, None)
        samples = await self._samples.last(scope, "v3", SAMPLES_TRIED)
        outcomes = {sample.id: try_platform_key(sample, key, present.platform) for sample in samples}
        if present.own is None:
            return _Trial(outcomes, NOT_ASKED)
        # Of several public keys the last one is what the answer is asked to be signed with.
        others = [one for one in present.platform if one.serial != serial]
        own = replace(present.own, platform=PlatformKeys([*others, key]))
        return _Trial(outcomes, await self._questions.public_key(candidate.provider, own, serial))

    def _report(self, candidate: _Candidate, trial: _Trial, origin: Origin) -> Rehearsal:
        now = self._clock.now()
        counts = Counter(trial.outcomes.values())
        return Rehearsal(
            id=new_id("reh", now),
            kind=candidate.kind,
            version=candidate.version,
            tried=len(trial.outcomes),
            passed=counts[Outcome.PASSED],
            old=counts[Outcome.OLD],
            answer=trial.answer,
            result=_result(candidate.kind, trial.answer.asked, counts[Outcome.PASSED]),
            looks_like=trial.looks_like,
            samples=MappingProxyType(dict(trial.outcomes)),
            ran_by=origin.by.name,
            ran_at=now,
        )

    async def _store(self, scope: ProviderScope, rehearsal: Rehearsal, origin: Origin) -> None:
        row = {
            "provider_id": scope.provider_id,
            "id": rehearsal.id,
            "kind": rehearsal.kind.value,
            "version": rehearsal.version,
            "tried": rehearsal.tried,
            "passed": rehearsal.passed,
            "asked": rehearsal.answer.asked,
            "result": rehearsal.result,
            "facts": {
                "question": rehearsal.answer.question,
                "code": rehearsal.answer.code,
                "looks_like": rehearsal.looks_like,
                "samples": [[number, outcome.value] for number, outcome in rehearsal.samples.items()],
            },
            "ran_by": rehearsal.ran_by,
            "ran_at": rehearsal.ran_at,
        }
        told = ("kind", "version", "tried", "passed", "asked", "result")
        act = Act(
            actor=origin.by,
            action="provider.key_rehearsed",
            object_kind="provider",
            object_id=scope.provider_id,
            after={name: row[name] for name in told},
            request_id=origin.request_id,
            peer=origin.peer,
        )
        async with self._database.write(scope) as session:
            await session.execute(insert(table_of(KeyRehearsal)), [row])
            if rehearsal.result == "passed":
                await let_candidate_verify(
                    session, scope.provider_id, rehearsal.kind, rehearsal.version, rehearsal.ran_at
                )
            await record(session, scope.provider_id, act, rehearsal.ran_at)
        _log.info("provider_keys.rehearsed", provider_id=scope.provider_id, **{n: row[n] for n in told})


def _result(kind: KeyKind, asked: Asked, passed: int) -> Result:
    """WeChat's word decides. Where it has none, a notification that an API v3 key opens does, for WeChat has
    signed that; what a key of any other kind verifies, its owner may have made to be found here."""
    if asked == "refused":
        return "failed"
    is_proven = asked == "accepted" or (kind is KeyKind.API_V3 and passed > 0)
    return "passed" if is_proven else "unclear"


def _rehearsal(row: KeyRehearsal) -> Rehearsal:
    facts: dict[str, Any] = row.facts
    samples = {number: Outcome(outcome) for number, outcome in facts["samples"]}
    looks_like = facts["looks_like"]
    return Rehearsal(
        id=row.id,
        kind=KeyKind(row.kind),
        version=row.version,
        tried=row.tried,
        passed=row.passed,
        old=sum(outcome is Outcome.OLD for outcome in samples.values()),
        answer=Answer(cast("Asked", row.asked), facts["question"], facts["code"]),
        result=cast("Result", row.result),
        looks_like=None if looks_like is None else KeyKind(looks_like),
        samples=MappingProxyType(samples),
        ran_by=row.ran_by,
        ran_at=row.ran_at,
    )
