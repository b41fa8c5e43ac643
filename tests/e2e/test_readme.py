"""The README's lines, pasted as they stand into a shell beside a demo."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.demo.system import Running, running

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(heading: str, language: str) -> list[str]:
    """The blocks of code under a heading."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("readme")) as system:
        ControlClient(system.control_url).delays(boot=[0.1, 0.5], delete=[0.05, 0.2])
        yield system


def test_every_line_can_be_pasted(system: Running, tmp_path: Path) -> None:
    assert shutil.which("jq"), "the README's lines need jq, which Debian's package of that name has"
    (rest,), (grpc,) = blocks("REST", "sh"), blocks("gRPC", "sh")
    script = f"set -euo pipefail\n{rest}\nprintf '\\n-- grpc --\\n'\n{grpc}"
    script = script.replace("127.0.0.1:8080", f"127.0.0.1:{system.rest_port}")
    script = script.replace("127.0.0.1:50051", f"127.0.0.1:{system.grpc_port}")
    assert (ROOT / ".venv" / "bin" / "buf").exists(), "the README's lines call .venv/bin/buf"
    ran = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    over_rest, over_grpc = ran.stdout.split("-- grpc --")
    assert '"code":200' in over_rest
    assert '"data":null' not in over_rest, over_rest
    assert not re.search(r'"code":[345]\d\d', over_rest), over_rest
    assert '"status":"SUCCESS"' in over_rest
    assert '"SUCCESS"' in over_grpc


def test_the_python_lines_run(system: Running) -> None:
    (lines,) = blocks("gRPC", "python")
    script = lines.replace("127.0.0.1:50051", f"127.0.0.1:{system.grpc_port}")
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("SUCCESS 20 ")
