"""The second factor: codes of an authenticator (RFC 6238), and ten codes for the day it is lost.

A code is taken one step of 30 seconds early or late, once, and never after a later one. Guesses are charged
like wrong passwords, but counted apart: a right password does not forgive them (failure catalogue S05).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar, cast

import pyotp
from sqlalchemy import CursorResult, Update, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts import throttle
from spapp.accounts.errors import (
    AlreadyEnrolled,
    EnrolmentExpired,
    SecondFactorRefused,
    TooManyAttempts,
)
from spapp.accounts.models import ConsoleSession, Person, RecoveryCode, SecondFactor
from spapp.accounts.notices import notify_others
from spapp.accounts.service import (
    ENROLMENT,
    Accounts,
    SignedIn,
    Staff,
    Visitor,
    enrolment_of,
    normalise_email,
)
from spcore.audit.actor import Actor
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import Fault, InvalidInput, Text
from spcore.vault import SealContext, Vault

STEP_S = 30
RECOVERY_CODES = 10
_RESET = Text("重置了一个账号的两步验证", "reset the two-step verification of an account")
NOTHING_TO_RESET = Text(
    "没有使用此邮箱且已启用两步验证的账号。", "belongs to no account with two-step verification."
)

Proof: TypeAlias = Literal["totp", "recovery_code"]
T = TypeVar("T")

_SECRET_BYTES = 20  # as long as the output of HMAC-SHA1 (RFC 4226, requirement R6)
_RECOVERY_BYTES = 10  # 80 bits: enough that a plain hash of it cannot be searched
_TOTP = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret on its way into an authenticator. Shown until it is confirmed, and never again (S13)."""

    secret: str = field(repr=False)
    """Base32, for typing in."""
    uri: str = field(repr=False)
    """The same as `otpauth:`, for a QR code."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person may know about their own second factor."""

    confirmed_at: datetime | None
    enrolment: Enrolment | None
    codes_left: int


@dataclass(frozen=True, slots=True)
class Enrolled:
    opened: SignedIn
    recovery_codes: tuple[str, ...] = field(repr=False)
    """Shown once; only their hashes stay."""


class SecondFactors:
    """`issuer` is what authenticators show beside the e-mail address."""

    def __init__(
        self, database: Database, clock: Clock, vault: Vault, accounts: Accounts, *, issuer: str
    ) -> None:
        self._database = database
        self._clock = clock
        self._vault = vault
        self._accounts = accounts
        self._issuer = issuer

    async def standing(self, staff: Staff) -> Standing:
        async with self._database.read(DoorScope()) as session:
            found = await session.get(SecondFactor, staff.person_id)
            codes_left: int = (
                await session.scalars(
                    select(func.count())
                    .select_from(RecoveryCode)
                    .where(RecoveryCode.person_id == staff.person_id, RecoveryCode.used_at.is_(None))
                )
            ).one()
        if found is None:
            return Standing(None, None, 0)
        if found.confirmed_at is not None:
            return Standing(found.confirmed_at, None, codes_left)
        if found.begun_at <= self._clock.now() - ENROLMENT:
            return Standing(None, None, 0)
        secret = self._opened(staff.person_id, found.secret_sealed)
        return Standing(None, self._enrolment(staff, secret), 0)

    async def begin(self, staff: Staff, visitor: Visitor) -> None:
        """Make a new secret, to be confirmed within 15 minutes; an unconfirmed one before it is dropped.

        Raises AlreadyEnrolled.
        """
        secret, now = secrets.token_bytes(_SECRET_BYTES), self._clock.now()
        row = {
            "secret_sealed": self._vault.seal(secret, _place(staff.person_id)),
            "begun_at": now,
            "last_step": None,
        }
        async with self._database.write(DoorScope()) as session:
            statement = _upsert(session).values(person_id=staff.person_id, **row)
            begun = await session.execute(
                statement.on_conflict_do_update(
                    index_elements=["person_id"], set_=row, where=SecondFactor.confirmed_at.is_(None)
                ).returning(SecondFactor.person_id)
            )
            if begun.scalar_one_or_none() is None:
                raise AlreadyEnrolled()
            await self._accounts.audit(session, staff, "second_factor.begun", visitor)

    async def confirm(self, staff: Staff, token: str, code: str, visitor: Visitor) -> Enrolled:
        """Let the second factor count from now on, which its first right code proves to work.

        Ends all sessions of the person and opens one under a new token. Raises EnrolmentExpired,
        SecondFactorRefused and SessionEnded.
        """
        now, enrolled = self._clock.now(), None
        async with self._database.write(DoorScope()) as session:
            sealed = await session.scalar(
                select(SecondFactor.secret_sealed)
                .where(
                    SecondFactor.person_id == staff.person_id,
                    SecondFactor.confirmed_at.is_(None),
                    SecondFactor.begun_at > now - ENROLMENT,
                )
                .with_for_update()
            )
            if sealed is None:
                raise EnrolmentExpired()
            step = _step_of(self._opened(staff.person_id, sealed), code, now)
            if step is None:
                await self._accounts.audit(session, staff, "second_factor.refused", visitor, at="confirm")
            else:
                enrolled = await self._enrol(session, staff, token, step, visitor)
        if enrolled is None:
            raise SecondFactorRefused()
        return enrolled

    async def verify(self, staff: Staff, token: str, code: str, visitor: Visitor) -> SignedIn:
        """Complete a sign-in under a new token (S01); `code` is of the authenticator or a recovery code.

        Raises SecondFactorRefused, TooManyAttempts and SessionEnded.
        """

        async def complete(session: AsyncSession, proof: Proof) -> SignedIn:
            await self._accounts.end(session, staff, token)
            return await self._accounts.complete(session, staff, visitor, proof)

        return await self._challenge(staff, code, visitor, "sign_in", complete)

    async def remove(self, staff: Staff, token: str, code: str, visitor: Visitor) -> SignedIn:
        """Forget the second factor and its recovery codes, against a fresh code (S12).

        Ends all sessions of the person and opens one under a new token. Raises what `verify` raises.
        """

        async def forget(session: AsyncSession, proof: Proof) -> SignedIn:
            await _forget(session, staff.person_id)
            opened = await self._accounts.restart(session, staff, token, visitor, has_second_factor=False)
            await self._accounts.audit(session, staff, "second_factor.removed", visitor, second_factor=proof)
            return opened

        return await self._challenge(staff, code, visitor, "remove", forget)

    async def renew_codes(self, staff: Staff, code: str, visitor: Visitor) -> tuple[str, ...]:
        """Replace all recovery codes by new ones, against a fresh code (S12). They are shown once.

        Raises SecondFactorRefused and TooManyAttempts.
        """

        async def replace_all(session: AsyncSession, proof: Proof) -> tuple[str, ...]:
            await session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == staff.person_id))
            codes = await self._add_codes(session, staff.person_id)
            await self._accounts.audit(
                session, staff, "second_factor.codes_renewed", visitor, second_factor=proof
            )
            return codes

        return await self._challenge(staff, code, visitor, "renew_codes", replace_all)

    async def prove(self, staff: Staff, code: str, visitor: Visitor, purpose: str) -> None:
        """Take a current code for one sensitive act, named by `purpose` (S12). The session stays as it is.

        Raises SecondFactorRefused and TooManyAttempts.
        """

        async def note(session: AsyncSession, proof: Proof) -> Proof:
            await self._accounts.audit(
                session, staff, "second_factor.given", visitor, at=purpose, second_factor=proof
            )
            return proof

        await self._challenge(staff, code, visitor, purpose, note)

    async def reset(
        self, email: str, actor: Actor, *, reason: str | None = None, visitor: Visitor | None = None
    ) -> str:
        """Forget the second factor of somebody who lost it, and end their sessions. Return the person's id.

        Raises InvalidInput for nobody, and for somebody without a second factor.
        """
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            person_id: str | None = await session.scalar(
                select(Person.id).where(Person.email == normalise_email(email))
            )
            if person_id is None or not await _forget(session, person_id):
                raise InvalidInput(Fault("#/email", "no_second_factor", NOTHING_TO_RESET))
            await session.execute(delete(ConsoleSession).where(ConsoleSession.person_id == person_id))
            act = Act(
                actor=actor,
                action="second_factor.reset",
                object_kind="person",
                object_id=person_id,
                reason=reason,
                request_id=visitor.request_id if visitor else None,
                peer=visitor.peer if visitor else None,
            )
            await record(session, PLATFORM_CHAIN, act, now)
            await notify_others(session, None, _RESET, actor, now)
        return person_id

    async def _challenge(
        self,
        staff: Staff,
        code: str,
        visitor: Visitor,
        purpose: str,
        effect: Callable[[AsyncSession, Proof], Awaitable[T]],
    ) -> T:
        """Run `effect` in the transaction in which `code` was taken; refusals are committed too."""
        subjects = throttle.Subjects.of(throttle.second_factor_of(staff.person_id), visitor.peer)
        now, done = self._clock.now(), None
        async with self._database.write(DoorScope()) as session:
            refused_until = await throttle.charge(session, subjects, now)
            proof = await self._take(session, staff.person_id, code) if refused_until is None else None
            if proof is not None:
                await throttle.forgive(session, subjects, now)
                done = await effect(session, proof)
            elif refused_until is None:
                await self._accounts.audit(session, staff, "second_factor.refused", visitor, at=purpose)
        if refused_until is not None:
            raise TooManyAttempts(refused_until, now)
        if done is None:
            raise SecondFactorRefused()
        return done

    async def _take(self, session: AsyncSession, person_id: str, code: str) -> Proof | None:
        """Use `code` up and say what it was; None for a wrong, an old or a used one."""
        now = self._clock.now()
        sealed = await session.scalar(select(SecondFactor.secret_sealed).where(*enrolment_of(person_id)))
        if sealed is None:
            return None
        step = _step_of(self._opened(person_id, sealed), code, now)
        if step is not None:
            newer = or_(SecondFactor.last_step.is_(None), SecondFactor.last_step < step)
            use = update(SecondFactor).where(*enrolment_of(person_id), newer).values(last_step=step)
            return "totp" if await _changed_one(session, use) else None
        spend = (
            update(RecoveryCode)
            .where(
                RecoveryCode.code_hash == _recovery_hash(code),
                RecoveryCode.person_id == person_id,
                RecoveryCode.used_at.is_(None),
            )
            .values(used_at=now)
        )
        return "recovery_code" if await _changed_one(session, spend) else None

    async def _enrol(
        self, session: AsyncSession, staff: Staff, token: str, step: int, visitor: Visitor
    ) -> Enrolled:
        now = self._clock.now()
        confirm = (
            update(SecondFactor)
            .where(SecondFactor.person_id == staff.person_id, SecondFactor.confirmed_at.is_(None))
            .values(confirmed_at=now, last_step=step)
        )
        if not await _changed_one(session, confirm):
            raise EnrolmentExpired()
        codes = await self._add_codes(session, staff.person_id)
        opened = await self._accounts.restart(session, staff, token, visitor, has_second_factor=True)
        await self._accounts.audit(session, staff, "second_factor.added", visitor)
        return Enrolled(opened, codes)

    async def _add_codes(self, session: AsyncSession, person_id: str) -> tuple[str, ...]:
        codes, now = tuple(_new_recovery_code() for _ in range(RECOVERY_CODES)), self._clock.now()
        rows = [
            {"code_hash": _recovery_hash(code), "person_id": person_id, "created_at": now} for code in codes
        ]
        await session.execute(insert(table_of(RecoveryCode)), rows)
        return codes

    def _opened(self, person_id: str, sealed: bytes) -> str:
        return base64.b32encode(self._vault.open(sealed, _place(person_id))).decode()

    def _enrolment(self, staff: Staff, secret: str) -> Enrolment:
        uri = pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=staff.email, issuer_name=self._issuer)
        return Enrolment(secret, uri)


def _place(person_id: str) -> SealContext:
    """Bind the secret to the person: pasted into another row it does not open (A08)."""
    return SealContext(PLATFORM_CHAIN, None, f"totp:{person_id}", 1)


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step that `code` belongs to, one early or late included; None when to none."""
    digits = re.sub(r"\s", "", code)
    if _TOTP.fullmatch(digits) is None:
        return None
    present, totp = int(now.timestamp()) // STEP_S, pyotp.TOTP(secret, interval=STEP_S)
    for step in (present, present - 1, present + 1):
        if hmac.compare_digest(totp.generate_otp(step), digits):
            return step
    return None


def _new_recovery_code() -> str:
    """Return 16 base32 characters in groups of four, such as `K7QH-2MXA-R5TC-DW3E`."""
    text = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _recovery_hash(code: str) -> str:
    """Hash a recovery code however it was typed: small letters, blanks and hyphens do not matter."""
    return hashlib.sha256(re.sub(r"[\s-]", "", code).upper().encode()).hexdigest()


async def _forget(session: AsyncSession, person_id: str) -> bool:
    """Delete factor and codes; say whether there was a factor that counted."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    gone = await session.execute(
        delete(SecondFactor).where(*enrolment_of(person_id)).returning(SecondFactor.person_id)
    )
    return gone.scalar_one_or_none() is not None


async def _changed_one(session: AsyncSession, statement: Update) -> bool:
    result = await session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount == 1


def _upsert(session: AsyncSession) -> Any:
    dialect = session.get_bind().dialect.name
    return (sqlite if dialect == "sqlite" else postgresql).insert(SecondFactor)
