"""Writes docs/reference/settings.md from the settings. Part of `make generate`; a test fails when it is stale."""

from __future__ import annotations

from pathlib import Path

from bridgx_server.settings import FILE_VARIABLE, Settings, default_text
from pydantic import SecretStr

TARGET = Path(__file__).parent / "reference" / "settings.md"


def page() -> str:
    """The page as it should be."""
    rows = [
        "# Settings",
        "",
        "Environment variables, then the TOML file that "
        f"`{FILE_VARIABLE}` names (keys as the flags, with `_` for `-`), then defaults; a flag wins over all.",
        "Secrets have no flag, since every user of a machine can read command lines.",
        "",
        "| environment | flag | default | what |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        secret = isinstance(field.default, SecretStr)
        flag = "" if secret else f"`--{name.replace('_', '-')}`"
        description = str(field.description).replace("|", "\\|")
        rows.append(f"| `BRIDGX_{name.upper()}` | {flag} | {default_text(name)} | {description} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
