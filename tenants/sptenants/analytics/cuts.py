"""Whose rows of which days a figure is about, and the conditions that keep queries to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from spcore.db.scope import PlatformScope
from spcore.ids import least_id
from spcore.providers.models import Provider
from sptenants.orders.filters import ReadScope, within
from sptenants.orders.sums import DAY, WHOLE, Part, midnight


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a scope that is looked at, from the Shanghai day `first` to `last`, both included."""

    scope: ReadScope
    first: date
    last: date
    part: Part = WHOLE

    @property
    def begin(self) -> datetime:
        return midnight(self.first)

    @property
    def end(self) -> datetime:
        return midnight(self.last + DAY)

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(self.first + DAY * n for n in range((self.last - self.first).days + 1))

    def on(self, first: date, last: date) -> Cut:
        """Return the same cut of other days."""
        return replace(self, first=first, last=last)

    def owned(self, model: Any) -> list[ColumnElement[bool]]:
        """Return the conditions on the owner of a tenant's rows."""
        part, conditions = self.part, [*within(self.scope, model)]
        if part.provider_id is not None:
            conditions.append(model.provider_id == part.provider_id)
        if part.tenant_id is not None:
            conditions.append(model.tenant_id == part.tenant_id)
        if part.mode is not None:
            of_mode = select(Provider.id).where(Provider.mode == part.mode)
            if not isinstance(self.scope, PlatformScope):
                of_mode = of_mode.where(Provider.id == self.scope.provider_id)
            conditions.append(model.provider_id.in_(of_mode))
        return conditions

    def made(self, column: Any, prefix: str) -> list[ColumnElement[bool]]:
        """Return the conditions on an id, which says when it was made: a time is a stretch of them."""
        return [column >= least_id(prefix, self.begin), column < least_id(prefix, self.end)]
