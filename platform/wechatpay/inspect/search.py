"""Finding the mistake: candidates are signed here and compared with the signature that the text carries.

Why this is no machine for making signatures (rule C6):

* It answers only about a text that already carries a signature, and says whether that one is right under the
  rules or under a known mistake. A digest made here is compared and dropped; none is ever part of a report.
* Guessing through it is hopeless: one call compares some ten thousand digests of 128 bits or more, so that
  even a year of calls at the allowed rate leaves a forger at 2^-90.
* A signature that was cut short could be completed digit by digit if any length were taken. So only two are:
  one digit lost (there are sixteen to try, with or without us), and an HMAC-SHA256 kept in a column of 32.
  From neither can a caller get one digit further.
* Values are shown with openids and payment codes masked and the key as dots. Whoever asks has typed them.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from wechatpay.credentials import SignType
from wechatpay.inspect.mutations import of_fields, of_whole
from wechatpay.inspect.recipe import Keys, Maker, Recipe, Step, makers
from wechatpay.inspect.sample import Remark, Sample

MAX_DIGESTS = 60_000
"""Digests made for one text, about half a second; what needs more mistakes at once is not looked for."""
_MOST_APPS = 6
_LENGTHS = {"MD5": 32, "SHA-1": 40, "SHA-256": 64, "HMAC-SHA256": 64}
_IDENTITY_FIELDS = ("mch_id", "appid", "sub_mch_id", "sub_appid", "appId", "partnerid")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose keys and numbers count: one service provider, or a plain merchant without sub-merchants.

    `sub_mch_ids` and `sub_appids` hold those of the sub-merchant that is meant, at least.
    """

    mch_id: str
    appid: str
    sign_type: SignType
    keys: Keys
    sub_mch_ids: tuple[str, ...] = ()
    sub_appids: tuple[str, ...] = ()
    identities: Mapping[str, Sequence[str]] = field(init=False)

    def __post_init__(self) -> None:
        own = {
            "mch_id": (self.mch_id,),
            "appid": (self.appid, *self.sub_appids),
            "appId": (*self.sub_appids, self.appid),
            "sub_mch_id": self.sub_mch_ids,
            "sub_appid": self.sub_appids,
            "partnerid": (*self.sub_mch_ids, self.mch_id),
        }
        object.__setattr__(self, "identities", own)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `steps` explain the signature; `remarks` hold whatever the signature says.

    `right`: verifies as the rules say. `found`: verifies under `steps`. `unexplained`: no candidate fits.
    `should` and `signed` are (name, value) as they belong into the string, and as they stood in it, in
    order; `signed` is empty unless a mistake was found. `app` is the appId a payment was signed for.
    """

    verdict: Literal["right", "found", "unexplained"]
    steps: tuple[Step, ...]
    remarks: tuple[Remark, ...]
    should: tuple[tuple[str, str], ...]
    signed: tuple[tuple[str, str], ...]
    algorithm: str
    key_version: int | None
    app: str | None
    digests: int

    @property
    def causes(self) -> tuple[Step | Remark, ...]:
        """Everything that is wrong, the signature's own first."""
        steps: tuple[Step | Remark, ...] = self.steps
        return steps + self.remarks


@dataclass(frozen=True, slots=True)
class _Found:
    steps: tuple[Step, ...]
    recipe: Recipe
    maker: Maker


class _OutOfBudget(Exception):
    pass


class _Search:
    def __init__(self, claimed: str, bases: Sequence[Recipe], ways: Sequence[Maker], sign_name: str) -> None:
        self._claimed = claimed.encode()
        self._bases = bases
        self._ways = ways
        self._sign_name = sign_name
        self.digests = 0

    def run(self, account: Account) -> _Found | None:
        """Return the explanation with the fewest mistakes."""
        try:
            return next(self._matches(account), None)
        except _OutOfBudget:
            return None

    def _matches(self, account: Account) -> Iterator[_Found]:
        for base in self._bases:
            yield from self._under(base, (), self._ways[:1])
        for base in self._bases:
            for step, recipe in self._single(base, account):
                yield from self._under(recipe, (step,), self._ways[:1])
            yield from self._under(base, (), self._ways[1:])
        for base in self._bases:
            for step, recipe in self._single(base, account):
                yield from self._under(recipe, (step,), self._ways[1:])
        for base in self._bases[:1]:
            for step, recipe in of_whole(base, self._sign_name):
                for second, twice in self._single(recipe, account):
                    if second.code != step.code:
                        yield from self._under(twice, (step, second), self._ways[:1])

    def _single(self, recipe: Recipe, account: Account) -> Iterator[tuple[Step, Recipe]]:
        yield from of_whole(recipe, self._sign_name)
        yield from of_fields(recipe, account.identities)

    def _under(self, recipe: Recipe, steps: tuple[Step, ...], ways: Sequence[Maker]) -> Iterator[_Found]:
        message = recipe.message()
        for maker in ways:
            self.digests += 1
            if self.digests > MAX_DIGESTS:
                raise _OutOfBudget
            if self._agrees(maker.digest(message)):
                yield _Found(_together(steps, maker.steps), recipe, maker)

    def _agrees(self, digest: str) -> bool:
        if len(self._claimed) < len(digest) and not _may_be_cut(len(self._claimed), len(digest)):
            return False
        return hmac.compare_digest(digest[: len(self._claimed)].encode(), self._claimed)


def _together(steps: tuple[Step, ...], of_maker: tuple[Step, ...]) -> tuple[Step, ...]:
    """Leave out what follows from another step: a sign_type that was not sent explains its algorithm."""
    if any(step.code == "sign_type_not_sent" for step in steps):
        of_maker = tuple(step for step in of_maker if step.code != "algorithm")
    return (*steps, *of_maker)


def _may_be_cut(claimed: int, whole: int) -> bool:
    return claimed == whole - 1 or (claimed, whole) == (32, 64)


def inspect(sample: Sample, account: Account) -> Report:
    """Find out what is wrong with the signature of `sample`. Uses the processor for up to a second."""
    expected = _expected(sample, account)
    bases = _bases(sample, account)
    ways = list(makers(account.keys, expected))
    search = _Search(sample.claimed, bases, ways, sample.sign_name)
    found = search.run(account)
    remarks = [*sample.remarks, *_foreign(sample, account)]
    if found is None:
        shown, algorithm, version = bases[0], expected.value, None
    else:
        shown, algorithm, version = found.recipe, found.maker.algorithm, found.maker.key_version
        if len(sample.claimed) < _LENGTHS[algorithm]:
            remarks.append(Remark("sign_cut", sample.sign_name))
    right = found is not None and not found.steps
    return Report(
        verdict="right" if right else "found" if found else "unexplained",
        steps=found.steps if found else (),
        remarks=tuple(dict.fromkeys(remarks)),
        should=tuple(bases[0].parts()),
        signed=tuple(shown.parts()) if found and not right else (),
        algorithm=algorithm,
        key_version=version,
        app=_app(sample, shown) if found else None,
        digests=search.digests,
    )


def _expected(sample: Sample, account: Account) -> SignType:
    """Return the algorithm the text should be signed with: what it names, else what WeChat takes it for."""
    named = sample.get("sign_type") or sample.get("signType")
    if named in {kind.value for kind in SignType}:
        return SignType(named)
    told_by_wechat = sample.has("return_code") or sample.has("transaction_id")
    if told_by_wechat or sample.has("partnerid"):
        return account.sign_type
    return SignType.MD5


def _bases(sample: Sample, account: Account) -> tuple[Recipe, ...]:
    """Return the readings of the text that are right, the likeliest first.

    Payment parameters of a mini-program are signed with an appId that is not among them: that of whichever
    app opens the cashier. Of a name that stands twice either value may have been meant.
    """
    last = tuple(dict(sample.fields).items())
    readings = [last]
    first = tuple(dict(reversed(sample.fields)).items())
    if len(last) != len(sample.fields):
        readings += [first, sample.fields]
    is_pay_params = sample.sign_name == "paySign" or (sample.has("package") and sample.has("timeStamp"))
    if is_pay_params and not any(name.lower() == "appid" for name, _ in last):
        apps = account.sub_appids[:_MOST_APPS] or (account.appid,)
        readings = [(*reading, ("appId", app)) for reading in readings for app in apps]
    return tuple(Recipe(reading) for reading in readings)


def _foreign(sample: Sample, account: Account) -> Iterator[Remark]:
    """Yield the identities of the text that are not this account's (a message of somebody else's)."""
    for name in _IDENTITY_FIELDS:
        value = sample.get(name)
        known = account.identities[name]
        if value and value not in known:
            yield Remark("foreign_account", name)


def _app(sample: Sample, recipe: Recipe) -> str | None:
    if any(name.lower() == "appid" for name, _ in sample.fields):
        return None
    return next((value for name, value in recipe.fields if name == "appId"), None)
