"""What can be refused while a sub-merchant is taken in."""

from __future__ import annotations

from spcore.errors import DomainError, Text


class LinkGone(DomainError):
    """A one-time link that is unknown, over or taken back; the answer does not say which."""

    code = "link_expired"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "链接无效或已过期，请联系发给你链接的服务商重新生成。",
                "The link is invalid or has expired: ask the service provider who sent it for a new one.",
            )
        )


class StepNotDone(DomainError):
    """What a step checks is not fulfilled; the text names what is missing."""

    code = "state_conflict"

    def __init__(self, text: Text) -> None:
        super().__init__(text)


class PlanOutdated(DomainError):
    """The list, or what it would change, is not what the dry run showed; nothing was stored."""

    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "文件内容或系统中的商户在试运行之后有变化，没有导入。请核对新的试运行结果后再导入。",
                "The file, or what is stored, changed since the dry run. Nothing was imported: look at the"
                " new dry run first.",
            )
        )
