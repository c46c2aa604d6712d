"""What can go wrong between a person and their account. None of it tells whether an account exists."""

from __future__ import annotations

from datetime import datetime

from spcore.errors import DomainError, Text


class SignInRefused(DomainError):
    """Wrong password, unknown account, disabled account, no role: all the same to whoever asks (S05)."""

    code = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__(Text("邮箱或密码不正确。", "The e-mail address or the password is wrong."))


class TooManyAttempts(DomainError):
    code = "rate_limited"

    def __init__(self, until: datetime, now: datetime) -> None:
        self.retry_after_s = max(1, int((until - now).total_seconds()))
        minutes = -(-self.retry_after_s // 60)
        super().__init__(
            Text(
                f"尝试次数过多，请在 {minutes} 分钟后再试。",
                f"Too many attempts; try again in {minutes} minutes.",
            )
        )


class LinkExpired(DomainError):
    """A set-up link that was used, is older than an hour, or never existed (S17)."""

    code = "link_expired"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "链接已失效：它只能使用一次，且一小时内有效。请让管理员重新生成。",
                "This link no longer works: it is good for one use within an hour. Ask for a new one.",
            )
        )


class SessionEnded(DomainError):
    """The session was ended while the request was under way."""

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__(Text("登录已失效，请重新登录。", "The session has ended; please sign in again."))


class SecondFactorNeeded(DomainError):
    """The password was right, but the person's second factor is still to be given."""

    code = "second_factor_needed"

    def __init__(self) -> None:
        super().__init__(Text("请先输入动态验证码。", "Give the code of your authenticator first."))


class EnrolmentNeeded(DomainError):
    """This installation asks everybody for a second factor, and the person has none yet."""

    code = "second_factor_missing"

    def __init__(self) -> None:
        super().__init__(
            Text("请先为账号设置两步验证。", "Set up two-step verification for your account first.")
        )


class SecondFactorRefused(DomainError):
    """A wrong, an old or an already used code; the answer does not say which."""

    code = "second_factor_refused"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "验证码不正确或已使用过。请核对手机时间是否自动校准，并等待下一个验证码。",
                "The code is wrong or was used before. Check that the phone's clock sets itself, and wait"
                " for the next code.",
            )
        )


class EnrolmentExpired(DomainError):
    """There is no secret waiting to be confirmed: never begun, begun too long ago, or already confirmed."""

    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "没有等待确认的密钥，或它已过期。请重新开始设置。",
                "No key is waiting to be confirmed, or it has expired. Start the set-up again.",
            )
        )


class AlreadyEnrolled(DomainError):
    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "两步验证已启用。要更换设备，请先移除再重新设置。",
                "Two-step verification is on. To change the device, remove it first and set it up again.",
            )
        )


class WeakPassword(DomainError):
    code = "weak_password"


class WrongPassword(DomainError):
    """The present password, asked for before a new one, is another one."""

    code = "invalid_request"

    def __init__(self) -> None:
        super().__init__(Text("当前密码不正确。", "The present password is wrong."))


class LastKeeper(DomainError):
    """Nobody would be left who may add people: the last owner, or the last platform administrator."""

    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "这是最后一位能够登录的管理员。请先邀请另一位管理员，再做此操作。",
                "This is the last administrator who can sign in. Add another one first.",
            )
        )


class AlreadyMember(DomainError):
    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(Text("此人在这里已有这个角色。", "This person has this role here already."))


class MemberChanged(DomainError):
    """Somebody else changed the member meanwhile."""

    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "成员的信息刚刚被别人修改，请刷新后再试。",
                "Somebody else has just changed this member; reload and try again.",
            )
        )


class InvitationOver(DomainError):
    """Accepted, withdrawn or replaced since the page was opened."""

    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "这份邀请已被接受、撤回或替换。",
                "This invitation was accepted, withdrawn or replaced.",
            )
        )


class AddressHasAccount(DomainError):
    """Whoever has an account proves it by signing in; a link never sets their password."""

    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "此邮箱已有账号，请先登录，再打开邀请链接。",
                "This address has an account: sign in first, then open the link again.",
            )
        )


class VisitOver(DomainError):
    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(Text("这次查看已经结束。", "This visit has ended already."))
