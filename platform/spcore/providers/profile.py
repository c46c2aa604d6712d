"""A service provider as the rest of the program sees it: one immutable value, no secrets."""

from __future__ import annotations

from dataclasses import dataclass

from spcore.providers.models import Provider


@dataclass(frozen=True, slots=True)
class ProviderProfile:
    id: str
    mode: str
    kind: str
    name: str
    mch_id: str
    appid: str
    api_version: str
    sign_type: str
    status: str
    route_key: str
    key_epoch: int

    @classmethod
    def of(cls, row: Provider) -> ProviderProfile:
        return cls(
            id=row.id,
            mode=row.mode,
            kind=row.kind,
            name=row.name,
            mch_id=row.mch_id,
            appid=row.appid,
            api_version=row.api_version,
            sign_type=row.sign_type,
            status=row.status,
            route_key=row.route_key,
            key_epoch=row.key_epoch,
        )
