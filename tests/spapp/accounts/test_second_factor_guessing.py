"""Guessing at the second factor (failure catalogue S05)."""

from __future__ import annotations

import pytest
from tests.support.factor_desk import ELSEWHERE, Desk

from spapp.accounts import throttle
from spapp.accounts.errors import SecondFactorRefused, TooManyAttempts
from spapp.accounts.models import Level


async def test_S05_ten_guesses_then_even_the_right_code_waits(desk: Desk) -> None:
    await desk.enrol()
    half_way = await desk.sign_in(visitor=ELSEWHERE)
    for _ in range(throttle.PER_ACCOUNT):
        with pytest.raises(SecondFactorRefused):
            await desk.verify(half_way, desk.wrong, ELSEWHERE)

    with pytest.raises(TooManyAttempts) as refusal:
        await desk.verify(half_way, desk.code(), ELSEWHERE)
    assert refusal.value.retry_after_s == throttle.LOCK.total_seconds()


async def test_S05_a_right_password_forgives_no_guessed_code(desk: Desk) -> None:
    await desk.enrol()
    for _ in range(throttle.PER_ACCOUNT):
        with pytest.raises(SecondFactorRefused):
            await desk.verify(await desk.sign_in(visitor=ELSEWHERE), desk.wrong, ELSEWHERE)

    with pytest.raises(TooManyAttempts):
        await desk.verify(await desk.sign_in(visitor=ELSEWHERE), desk.code(), ELSEWHERE)


async def test_S05_recovery_codes_are_guessed_under_the_same_limit(desk: Desk) -> None:
    await desk.enrol()
    half_way = await desk.sign_in(visitor=ELSEWHERE)
    for number in range(throttle.PER_ACCOUNT):
        with pytest.raises(SecondFactorRefused):
            await desk.verify(half_way, f"AAAA-BBBB-CCCC-DD{number:02d}", ELSEWHERE)

    with pytest.raises(TooManyAttempts):
        await desk.verify(half_way, desk.codes[0], ELSEWHERE)


async def test_S05_guessing_elsewhere_does_not_lock_the_owner_out(desk: Desk) -> None:
    await desk.enrol()
    await desk.verify(await desk.sign_in(), desk.code())
    stolen = await desk.sign_in(visitor=ELSEWHERE)
    for _ in range(throttle.PER_ACCOUNT + 3):
        with pytest.raises((SecondFactorRefused, TooManyAttempts)):
            await desk.verify(stolen, desk.wrong, ELSEWHERE)
    desk.clock.advance(seconds=30)

    assert (await desk.verify(await desk.sign_in(), desk.code())).staff.level is Level.FULL
