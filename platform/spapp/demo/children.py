"""The demo's programs as child processes that never outlive it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import httpx

STOP_WITHIN_S = 20.0
_POLL_S = 0.05
_PR_SET_PDEATHSIG = 1


class ChildFailed(RuntimeError):
    """A program did not start or ended by itself; the message is for people and names its log."""


class Child:
    """One program in a process group of its own: Ctrl-C reaches the demo alone, which then stops it."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        *,
        module: str = "spapp.cli",
    ) -> None:
        self.name = name
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = _spawn([module, *arguments], env, output)

    def require_running(self) -> None:
        """Raise ChildFailed when the program has ended."""
        if (code := self._process.poll()) is not None:
            raise ChildFailed(
                f"{self.name} 已退出（{code}），日志见 {self._log}\n"
                f"{self.name} ended ({code}); see {self._log}\n{self._last_lines()}"
            )

    def wait_until_answers(self, url: str, within_s: float) -> None:
        """Return once `url` answers 200. Raises ChildFailed when it does not in time."""
        deadline = time.monotonic() + within_s
        with httpx.Client(trust_env=False, timeout=2.0) as http:
            while time.monotonic() < deadline:
                self.require_running()
                with contextlib.suppress(httpx.TransportError):
                    if http.get(url).status_code == 200:
                        return
                time.sleep(_POLL_S)
        raise ChildFailed(
            f"{self.name} 在 {within_s:.0f} 秒内未就绪，日志见 {self._log}\n"
            f"{self.name} was not ready within {within_s:.0f} s; see {self._log}\n{self._last_lines()}"
        )

    def ask_to_stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)

    def wait_until_gone(self, deadline: float) -> None:
        """Wait until `deadline` (monotonic); whatever is left of the group then is killed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.1, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _last_lines(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-5:])


def stop(children: Sequence[Child]) -> None:
    """End all of them together; afterwards none is left."""
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + STOP_WITHIN_S
    for child in children:
        child.wait_until_gone(deadline)


def free_ports(wanted: Sequence[int]) -> list[int]:
    """Return the wanted ports, each replaced by the next free one when something else listens there."""
    found: list[int] = []
    for port in wanted:
        found.append(next(p for p in range(port, 65536) if p not in found and _is_free(p)))
    return found


def _spawn(module: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True)

    def in_child() -> None:
        # The kernel sends this when the demo dies, even by SIGKILL; ask first whether it already has.
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(  # noqa: S603 - our own program with arguments of ours
        [sys.executable, "-P", "-m", *module],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=in_child,  # noqa: PLW1509 - nothing else runs yet: the demo has one thread
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
