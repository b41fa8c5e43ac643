"""JWTs of an OIDC issuer, as identities."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt

from bridgx_server.domain.text import unreadable
from bridgx_server.errors import PermissionDenied, TokenInvalid
from bridgx_server.identities.identity import Identity, Role
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope

# Asymmetric ones alone: whoever verifies must not be able to sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
REQUIRED = ("exp", "iss", "aud", "sub")
EVERY_ACCOUNT = "*"

MAX_NAME = 128  # characters of a caller's name


@dataclass(frozen=True)
class IssuerSettings:
    """What is expected of a JWT, and what its claims mean.

    A claim is named as it stands in the token; one inside another by a path with dots, ``realm_access.roles``. ``roles``: value
    of the role claim → role; empty where the claim has the words viewer, operator and admin themselves.
    """

    issuer: str
    audience: str
    leeway: float = 30.0  # seconds by which clocks may differ
    name_claim: str = "sub"
    role_claim: str = "bridgx_role"
    accounts_claim: str = "bridgx_accounts"
    roles: Mapping[str, Role] = field(default_factory=dict)


def meanings_of(text: str) -> dict[str, Role]:
    """Reads ``value=role,value=role``; raises ValueError."""
    meanings: dict[str, Role] = {}
    for entry in text.split(","):
        if entry.strip():
            value, equals, role = entry.strip().rpartition("=")
            if not (value and equals):
                raise ValueError(f"{entry.strip()!r} is not value=role")
            meanings[value] = Role.of(role)
    return meanings


class Keys(Protocol):
    """The issuer's public keys."""

    def candidates(self, key_id: str | None) -> Sequence[Mapping[str, Any]]:
        """The JWKs that may have signed a token with this ``kid``; all of them where it has none."""
        ...


class Issuer:
    """Verifies JWTs."""

    def __init__(self, settings: IssuerSettings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys

    def identify(self, token: str) -> Identity:
        """Whose JWT it is.

        Raises:
            TokenInvalid: it was not signed by the issuer, is for someone else, has expired, or is not one.
            PermissionDenied: it is good, and names no role.
        """
        claims = self._verified(token)
        subject, issuer = str(claims["sub"]), self._settings.issuer
        name = self._claim(claims, self._settings.name_claim)
        if not subject or not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or unreadable(name):
            raise TokenInvalid(
                f"the JWT's claim {self._settings.name_claim} is not a name of 1 to {MAX_NAME} characters that a reader can see"
            )
        key = hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()
        return Identity(name, f"oidc:{key}", "oidc", self._role(claims, name), self._scope(claims))

    def _verified(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise TokenInvalid("the bearer token is not a JWT that can be read") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise TokenInvalid(f"the JWT's algorithm is none of {', '.join(ALGORITHMS)}")
        failure = "no key of the issuer has signed the JWT"
        for data in self._keys.candidates(key_id if isinstance(key_id, str) else None):
            key = _key(data, algorithm)
            if key is None:
                continue
            try:
                claims: Mapping[str, Any] = jwt.decode(
                    token,
                    key=key,
                    algorithms=[algorithm],
                    audience=self._settings.audience,
                    issuer=self._settings.issuer,
                    leeway=self._settings.leeway,
                    options={"require": list(REQUIRED), "enforce_minimum_key_length": True},
                )
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
                continue  # another key of the set may fit
            except jwt.InvalidTokenError as error:
                raise TokenInvalid(f"the JWT is not valid: {_told(error)}") from None
            return claims
        raise TokenInvalid(failure)

    def _role(self, claims: Mapping[str, Any], name: str) -> Role:
        values = _texts(self._claim(claims, self._settings.role_claim))
        meanings = self._settings.roles or {role.word: role for role in Role}
        roles = [meanings[value] for value in values if value in meanings]
        if not roles:
            raise PermissionDenied(f"the JWT's claim {self._settings.role_claim} gives {name} no role")
        return max(roles)

    def _scope(self, claims: Mapping[str, Any]) -> Scope:
        values = _texts(self._claim(claims, self._settings.accounts_claim))
        if EVERY_ACCOUNT in values:
            return EVERYTHING
        try:
            return Scope.of(AccountName.parse(value) for value in values)
        except ValueError as error:
            raise TokenInvalid(f"the JWT's claim {self._settings.accounts_claim}: {error}") from None

    @staticmethod
    def _claim(claims: Mapping[str, Any], path: str) -> object:
        if path in claims:
            return claims[path]
        value: object = claims
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        return value


def _key(data: Mapping[str, Any], algorithm: str) -> jwt.PyJWK | None:
    """The key for this algorithm; None where it is for another, or not for signatures."""
    if data.get("kty") == "oct" or data.get("use", "sig") != "sig" or data.get("alg", algorithm) != algorithm:
        return None
    try:
        return jwt.PyJWK.from_dict(dict(data), algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None


def _told(error: jwt.InvalidTokenError) -> str:
    if isinstance(error, jwt.ExpiredSignatureError):
        return "it has expired"
    if isinstance(error, jwt.InvalidAudienceError):
        return "it is for another audience"
    if isinstance(error, jwt.InvalidIssuerError):
        return "it is of another issuer"
    if isinstance(error, jwt.ImmatureSignatureError):
        return "it is not valid yet"
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it has no claim {error.claim}"
    return "it cannot be read"


def _texts(value: object) -> list[str]:
    """A claim as texts: a list of them, or one with spaces or commas between."""
    if isinstance(value, str):
        return [part for part in re.split(r"[\s,]+", value) if part]
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else []
