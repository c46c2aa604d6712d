"""Why a trial cannot be made, or a sub-merchant cannot go live."""

from __future__ import annotations

from collections.abc import Sequence

from spcore.errors import Text
from sptenants.golive.records import Condition
from sptenants.registry.errors import StateConflict


class NotReadyToGoLive(StateConflict):
    """Something is missing; every condition is listed, and an owner may overrule them with a reason."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        missing = [condition for condition in conditions if not condition.met]
        super().__init__(
            Text(
                "还不能上线：" + "；".join(one.text.zh.rstrip("。") for one in missing) + "。",
                "Not ready to go live: " + "; ".join(one.text.en.rstrip(".") for one in missing) + ".",
            )
        )
        self.extra = {"missing": [one.code for one in missing]}
        self.conditions = tuple(conditions)


class TrialNotPaid(StateConflict):
    """There is nothing to give back yet, or it was given back already."""

    def __init__(self) -> None:
        super().__init__(
            Text("试付尚未支付成功，或已经退款。", "The trial is not paid yet, or was given back already.")
        )


class TrialNotPossible(StateConflict):
    """A disabled binding, or one that is gone."""

    def __init__(self) -> None:
        super().__init__(
            Text("该 AppID 绑定已停用，请先启用再试付。", "This binding is disabled; enable it first.")
        )
