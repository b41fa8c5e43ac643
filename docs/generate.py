"""Writes docs/reference/settings.md from the settings. Part of `make generate`; a test fails when it is stale."""

from __future__ import annotations

from pathlib import Path

from bridgx_server.edge_settings import EDGE_FILE_VARIABLE, EdgeSettings
from bridgx_server.settings import FILE_VARIABLE, Settings, default_text
from pydantic import SecretStr
from pydantic_settings import BaseSettings

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
        *_table(Settings),
        "",
        "## Of the edge",
        "",
        f"`bridgx edge` has settings of its own; `{EDGE_FILE_VARIABLE}` names its TOML file.",
        "",
        *_table(EdgeSettings),
    ]
    return "\n".join(rows) + "\n"


def _table(kind: type[BaseSettings]) -> list[str]:
    rows = ["| environment | flag | default | what |", "|---|---|---|---|"]
    for name, field in kind.model_fields.items():
        secret = isinstance(field.default, SecretStr)
        flag = "" if secret else f"`--{name.replace('_', '-')}`"
        description = str(field.description).replace("|", "\\|")
        variable = f"{kind.model_config['env_prefix']}{name.upper()}"
        rows.append(f"| `{variable}` | {flag} | {default_text(name, kind)} | {description} |")
    return rows


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
