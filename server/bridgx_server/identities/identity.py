"""What is known of a caller."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bridgx_server.store.scope import EVERYTHING, Scope


class Role(IntEnum):
    """What a caller may do. A higher role may do all that a lower one may."""

    VIEWER = 1  # looks
    OPERATOR = 2  # also makes networks, clusters and machines, and deletes them
    ADMIN = 3  # also registers accounts and gives out tokens

    @property
    def word(self) -> str:
        """The role as the API and the settings write it."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Role:
        """The role that a word means; raises ValueError."""
        for role in cls:
            if role.word == word:
                return role
        raise ValueError(f"{word!r} is no role: use {', '.join(role.word for role in cls)}")


@dataclass(frozen=True)
class Identity:
    """A caller.

    ``name`` is what people call it, and what ``create_by`` shows. ``key`` tells it from every other identity there is or was,
    whatever their names: repeated requests are recognised by it. ``kind`` says where it comes from: ``settings``,
    ``token`` or ``oidc``.
    """

    name: str
    key: str
    kind: str
    role: Role
    scope: Scope


# Before a call is authenticated, and where none is needed. It sees nothing.
NOBODY = Identity("", "", "", Role.VIEWER, Scope(frozenset()))


def of_settings(name: str, role: Role = Role.ADMIN) -> Identity:
    """The identity of a token that stands in the settings: it sees every account."""
    return Identity(name, name, "settings", role, EVERYTHING)
