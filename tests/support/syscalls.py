"""strace beside a running program: see the order of its system calls, or kill it before one of them.

Failure catalogue part 3: `fdatasync` is no real flush on a machine for tests, so what a crash of the machine
would leave behind is proved by order instead.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.installation import PATIENCE_S

STRACE = shutil.which("strace")


def may_trace() -> bool:
    """Say whether strace is here and allowed to attach to another process (in many containers it is not)."""
    if STRACE is None:
        return False
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        with traced(sleeper.pid, Path("/dev/null"), "trace=none"):
            return True
    except PermissionError:
        return False
    finally:
        sleeper.kill()
        sleeper.wait()


@contextmanager
def traced(pid: int, output: Path, *expressions: str) -> Iterator[None]:
    """Trace all threads of a process; `expressions` are strace's own, as after `-e`.

    Raises PermissionError when the system does not allow it.
    """
    assert STRACE is not None
    options = [option for expression in expressions for option in ("-e", expression)]
    command = [STRACE, "-f", "-qq", "-s", "64", "-y", "-p", str(pid), "-o", str(output), *options]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not _is_attached(pid):
            if tracer.poll() is not None:
                raise PermissionError(f"strace may not attach to {pid}")
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield
    finally:
        tracer.terminate()
        try:
            tracer.wait(2)
        except subprocess.TimeoutExpired:
            # It may wait for ever for threads of a process it killed; without a tracer they end.
            tracer.kill()
            tracer.wait()


def _is_attached(pid: int) -> bool:
    tasks = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/status")]
    return all("\nTracerPid:\t0\n" not in status for status in tasks)


def children_of(pid: int) -> list[int]:
    """Return the processes that this one made and that still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue  # it ended meanwhile
        if f"\nPPid:\t{pid}\n" in text:
            found.append(int(status.parent.name))
    return found
