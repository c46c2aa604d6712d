"""Proof in a network namespace that nothing leaves for private addresses (W01, W02, W03).

Nothing is injected: real resolver, real sockets, real TLS on port 443 of a public-looking address.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROBE = ROOT / "tests" / "support" / "namespace_probe.py"


def _unshare() -> list[str]:
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = [shutil.which("unshare") or "unshare", *own, "--net", "--mount"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NO PROOF OF W01 HERE: this machine lets nobody make a network namespace ({error})")
    return command


def test_W01_W02_W03_no_packet_leaves_for_a_private_address(tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "platform", ROOT / "tenants")))}
    done = subprocess.run(
        [*_unshare(), sys.executable, str(PROBE), str(tmp_path / "hosts")],
        env=env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["found"].pop("shop.example.com") == ["http_error", 302, 1], "the redirect is not followed"
    assert told["met"] == ["93.184.216.34"]
    assert set(told["found"]) >= {"loop.example.com", "meta.example.com", "half.example.com"}
    assert {name: tuple(facts) for name, facts in told["found"].items()} == dict.fromkeys(
        told["found"], ("not_public", None, 0)
    )
