"""Which refusals of the API are worth counting, and under which name.

Left out is what happens in ordinary use, such as a session that is over, and addresses that lead nowhere:
those are the noise of the internet and say nothing about a tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from spapp.web.limits import STATE_TENANT
from spapp.web.problems import AnyRequest
from spcore.errors import DomainError, InvalidInput, NotFound
from sptenants.orders.intake import names_money
from sptenants.registry.errors import BindingNotVerified, Forbidden, TenantNotLive, Unauthenticated

_API, _MINI = "/v1/", "/v1/mini/"


class Reason(StrEnum):
    """Why a call of the API was refused."""

    UNKNOWN_TENANT = "unknown_tenant"
    """No such tenant, or not one of the key's service provider."""
    FOREIGN_OBJECT = "foreign_object"
    """An object that does not exist or is somebody else's; from outside these are the same (rule Y3)."""
    WRONG_KEY = "wrong_key"
    KEY_NOT_ALLOWED = "key_not_allowed"
    """A genuine key without the right, or from an address that is not on its list."""
    TENANT_NOT_LIVE = "tenant_not_live"
    APP_NOT_BOUND = "app_not_bound"
    BINDING_UNUSABLE = "binding_unusable"
    AMOUNT_NAMED = "amount_named"
    """A mini-program that named an amount (rule M2)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One refused call as it is counted. `tenant_id` is empty unless a credential or its check proved it."""

    reason: Reason
    route: str
    tenant_id: str


def refused(request: AnyRequest, error: Exception) -> Refused | None:
    """Return what to count of an error of the API; None for what is not counted."""
    path, template = request.scope["path"], request.scope.get("path_template")
    if template is None or not path.startswith(_API) or not isinstance(error, DomainError):
        return None
    of_mini = path.startswith(_MINI)
    proven = str(request.scope["state"].get(STATE_TENANT, ""))
    reason = _reason(error, of_mini=of_mini, object_named=_names_object(request, of_mini, proven))
    if reason is None:
        return None
    if isinstance(error, TenantNotLive):
        proven = error.tenant_id
    elif of_mini and reason is not Reason.FOREIGN_OBJECT and reason is not Reason.UNKNOWN_TENANT:
        # These come after the address's tenant was found.
        proven = str(request.path_params.get("tenant_id", ""))
    return Refused(reason, f"{request.method} {template}", proven)


def _names_object(request: AnyRequest, of_mini: bool, proven: str) -> bool:
    """Whether what was not found may be an object of a tenant, and not the tenant itself."""
    if of_mini:
        return len(request.path_params) > 1
    return bool(proven) or "tenant-id" not in request.headers


def _reason(error: DomainError, *, of_mini: bool, object_named: bool) -> Reason | None:
    match error:
        case NotFound():
            return Reason.FOREIGN_OBJECT if object_named else Reason.UNKNOWN_TENANT
        case Unauthenticated():
            return Reason.WRONG_KEY
        case Forbidden():
            return Reason.KEY_NOT_ALLOWED
        case TenantNotLive():
            return Reason.TENANT_NOT_LIVE
        case BindingNotVerified():
            return Reason.BINDING_UNUSABLE
        case InvalidInput():
            if any(fault.code == "not_bound" for fault in error.faults):
                return Reason.APP_NOT_BOUND
            names = [fault.pointer.rpartition("/")[2] for fault in error.faults]
            return Reason.AMOUNT_NAMED if of_mini and any(map(names_money, names)) else None
        case _:
            return None
