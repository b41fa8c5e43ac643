"""What is shipped: each wheel has its licence, and the server's has what it serves with."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = {"bridgx_server": ROOT, "bridgx_client": ROOT / "clients" / "python"}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_wheel_has_the_licence(name: str, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(tmp_path), str(PROJECTS[name])], check=True)
    (wheel,) = tmp_path.glob(f"{name}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (licence,) = [entry for entry in archive.namelist() if entry.endswith("dist-info/licenses/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
        (metadata,) = [entry for entry in archive.namelist() if entry.endswith("dist-info/METADATA")]
        assert "License-Expression: Apache-2.0" in archive.read(metadata).decode()
