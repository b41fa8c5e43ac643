"""All settings: environment variables BRIDGX_*, one TOML file, and flags, which win in this order from last to first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bridgx_server.identities.directory import identity_of_entry
from bridgx_server.identities.issuer import Issuer, IssuerSettings, meanings_of
from bridgx_server.identities.keys import FileKeys, UrlKeys
from bridgx_server.interceptors.origin import networks_of
from bridgx_server.providers.base import ProviderSettings
from bridgx_server.providers.rates import parse
from bridgx_server.providers.registry import ADAPTERS
from bridgx_server.scaling.engine import EngineSettings
from bridgx_server.scaling.limiter import LimiterSettings
from bridgx_server.store.keys import KeyCommand, KeyFile, KeySources, KeyText, private_text
from bridgx_server.store.secrets import Keyring, KeySource
from bridgx_server.tls import TlsFiles

FILE_VARIABLE = "BRIDGX_SETTINGS_FILE"

Positive = Annotated[float, Field(gt=0)]


def check_tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> None:
    """Raises ValueError for half of a TLS."""
    if (certificate is None) != (key is None):
        raise ValueError("tls_certificate and tls_key go together: one of them is missing")
    if client_ca is not None and certificate is None:
        raise ValueError("tls_client_ca is of use with tls_certificate and tls_key alone")


class Settings(BaseSettings):
    """What can be set. The descriptions are what `bridgx serve --help` prints."""

    model_config = SettingsConfigDict(
        env_prefix="BRIDGX_", extra="forbid", validate_default=True, hide_input_in_errors=True
    )

    database_url: str = Field(
        "sqlite:///bridgx.db",
        repr=False,
        description="sqlite:///file, postgresql://user:password@host:port/name or mysql://…",
    )
    grpc_host: str = Field("127.0.0.1", description="Address that the gRPC server listens on.")
    grpc_port: int = Field(50051, ge=0, le=65535, description="Port of the gRPC server; 0 chooses a free one.")
    tls_certificate: Path | None = Field(None, description="PEM file: the gRPC server's certificate and its chain.")
    tls_key: Path | None = Field(
        None, description="PEM file: the key of that certificate. Both are read anew when they change."
    )
    tls_client_ca: Path | None = Field(None, description="PEM file: the CAs that clients' certificates must come from.")
    tls_require_client_certificate: bool = Field(
        True, description="With tls_client_ca: refuse clients without a certificate; else gRPC asks for none."
    )
    insecure_plaintext: bool = Field(
        False, description="Listen beyond loopback without TLS, where everyone on the way reads tokens and secrets."
    )
    threads: int = Field(32, ge=2, le=1024, description="Calls that are worked on at once, watches aside.")
    watches: int = Field(64, ge=1, le=1024, description="WatchTask streams that are served at once.")
    watches_per_caller: int = Field(16, ge=1, le=1024, description="Of these, the most that one caller has.")
    watch_time: Positive = Field(3600.0, description="Seconds after which a watch ends and has to be made anew.")
    call_time: Positive = Field(120.0, description="Seconds after which a call is cut off, whatever its deadline.")
    message_time: Positive = Field(
        10.0, description="Seconds after its headers in which a call's message must have come, else it is ended."
    )
    backlog: int = Field(
        4000, ge=1, le=100_000, description="Calls that wait for a thread, beyond which they are refused."
    )
    connections: int = Field(1024, ge=8, le=100_000, description="Connections to the gRPC server at once.")
    connection_streams: int = Field(512, ge=8, le=10_000, description="Calls on one connection at once.")
    worker: bool = Field(True, description="Whether `bridgx serve` carries out tasks too.")
    tokens: SecretStr = Field(
        SecretStr(""),
        description="Bearer tokens, as name:token,name=role:token; a role is viewer, operator or admin (also without one).",
    )
    tokens_file: Path | None = Field(
        None, description="A file of bearer tokens, one name:token or name=role:token a line."
    )
    oidc_issuer: str = Field("", description="The `iss` of JWTs that are accepted beside tokens; empty: none are.")
    oidc_audience: str = Field("", description="The `aud` that a JWT must have.")
    oidc_jwks_file: Path | None = Field(
        None, description="A file with the issuer's public keys (JWKS), read when it changes."
    )
    oidc_jwks_url: str = Field(
        "", description="Where the issuer's public keys are instead; https, or http on loopback."
    )
    oidc_leeway: float = Field(30.0, ge=0, le=300, description="Seconds by which the issuer's clock may differ.")
    oidc_name_claim: str = Field("sub", min_length=1, description="The claim of a JWT that names the caller.")
    oidc_role_claim: str = Field(
        "bridgx_role",
        min_length=1,
        description="The claim with the role, or several; inside others: realm_access.roles.",
    )
    oidc_roles: str = Field(
        "", description="What its values mean, as value=role,value=role; empty: they are viewer, operator and admin."
    )
    oidc_accounts_claim: str = Field(
        "bridgx_accounts",
        min_length=1,
        description="The claim with the cloud accounts, as AWSCloud/AKIA…; * is all, absent none.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Addresses and blocks of Envoys: the last entry of their X-Forwarded-For is believed in the audit.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Keys that open secrets in the database, the first seals: `bridgx keys generate` makes one.",
    )
    secret_key_file: Path | None = Field(None, description="A file with those keys, one a line; for its owner alone.")
    secret_key_command: str = Field("", description="A command that prints those keys; run without a shell.")
    time_zone: str = Field("UTC", description="Where a day of usage begins and ends, such as Asia/Shanghai.")
    default_max_machines: int = Field(200, ge=1, le=100_000, description="A cluster's quota where it names none.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="json, or console for people.")
    stop_grace: Positive = Field(30.0, description="Seconds that calls under way have when the server stops.")
    connect_timeout: Positive = Field(5.0, description="Seconds to connect to a cloud.")
    read_timeout: Positive = Field(60.0, description="Seconds to wait for a cloud's answer.")
    account_concurrency: int = Field(
        8, ge=0, le=256, description="Calls to one cloud account at once, of all processes together; 0: any number."
    )
    rates: str = Field(
        "",
        description="Limits of calls that replace the vendors' published ones: Cloud.Api=2/s+5 (calls in a second, at"
        " once), Cloud.Api:machines=120/m, Cloud.Api=off, separated by commas; * stands for anything.",
    )
    batch: int = Field(0, ge=0, le=1000, description="Most machines a chunk asks for; 0: what the cloud takes.")
    lease: Positive = Field(30.0, description="Seconds until the work of a dead worker is taken up by another.")
    poll: Positive = Field(2.0, description="Seconds between two questions about a young machine.")
    boot_timeout: Positive = Field(600.0, description="Seconds after which a machine that does not run is replaced.")
    visibility: Positive = Field(60.0, description="Seconds that a cloud may not know yet of a new machine or network.")
    give_up: Positive = Field(900.0, description="Seconds that a call without an answer is repeated.")
    stockout_memory: float = Field(
        300.0,
        ge=0,
        description="Seconds that a zone and type found sold out is asked last by all tasks; 0: not at all.",
    )
    reconcile: Positive = Field(300.0, description="Seconds between two comparisons of inventory and cloud.")
    unfinished: Positive = Field(
        900.0,
        description="Seconds after which a request for a network that was cut off is finished without its caller.",
    )
    endpoint_alibabacloud: str = Field("", description="URL that replaces all endpoints of AlibabaCloud.")
    endpoint_huaweicloud: str = Field("", description="URL that replaces all endpoints of HuaweiCloud.")
    endpoint_tencentcloud: str = Field("", description="URL that replaces all endpoints of TencentCloud.")
    endpoint_baiducloud: str = Field("", description="URL that replaces all endpoints of BaiduCloud.")
    endpoint_awscloud: str = Field("", description="URL that replaces all endpoints of AWSCloud.")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {name}") from None
        return name

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, text: str) -> str:
        networks_of(text)
        return text

    @field_validator("oidc_roles")
    @classmethod
    def _meanings(cls, text: str) -> str:
        meanings_of(text)
        return text

    @field_validator("oidc_jwks_url")
    @classmethod
    def _safe_url(cls, url: str) -> str:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
        if url and not (local or (parts.scheme == "https" and parts.hostname)):
            raise ValueError("must be an https URL, or http on loopback: whoever can change the keys can sign")
        return url

    @model_validator(mode="after")
    def _whole_issuer(self) -> Settings:
        if self.oidc_issuer:
            if not self.oidc_audience:
                raise ValueError("oidc_audience is required with oidc_issuer: JWTs for others would be accepted")
            if (self.oidc_jwks_file is None) == (not self.oidc_jwks_url):
                raise ValueError("exactly one of oidc_jwks_file and oidc_jwks_url is required with oidc_issuer")
        return self

    @model_validator(mode="after")
    def _whole_tls(self) -> Settings:
        check_tls(self.tls_certificate, self.tls_key, self.tls_client_ca)
        return self

    @field_validator("rates")
    @classmethod
    def _known_rates(cls, text: str) -> str:
        parse(text, tuple(ADAPTERS))
        return text

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        import os

        file = os.environ.get(FILE_VARIABLE)
        sources = (init_settings, env_settings)
        if not file:
            return sources
        from_file = TomlConfigSettingsSource(settings_cls, Path(file))
        if "secret_key" in from_file.toml_data:
            private_text(Path(file))
        return (*sources, from_file)

    def tls(self) -> TlsFiles | None:
        """The files of the gRPC server's TLS, None where there is none."""
        if self.tls_certificate is None:
            return None
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_client_ca, self.tls_require_client_certificate)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the days."""
        return ZoneInfo(self.time_zone)

    def token_table(self) -> dict[str, str]:
        """``name`` or ``name=role`` of the caller → bearer token.

        Raises:
            ValueError: an entry is not name:token or name=role:token, or two have one name.
        """
        entries = [entry for entry in self.tokens.get_secret_value().split(",") if entry.strip()]
        if self.tokens_file is not None:
            lines = self.tokens_file.read_text(encoding="utf-8").splitlines()
            entries += [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        table: dict[str, str] = {}
        names: set[str] = set()
        for number, entry in enumerate(entries, 1):
            name, colon, token = entry.strip().partition(":")
            if not (colon and name.strip() and token.strip()):
                raise ValueError(f"token {number} is not name:token or name=role:token")
            try:
                identity = identity_of_entry(name)
            except ValueError as error:
                raise ValueError(f"token {number}: {error}") from None
            if identity.name in names:
                raise ValueError(f"token {number}: another token has the name {identity.name}")
            names.add(identity.name)
            table[name.strip()] = token.strip()
        return table

    def issuer(self) -> Issuer | None:
        """The OIDC issuer; None where none is set. Raises KeysUnreadable, OSError."""
        if not self.oidc_issuer:
            return None
        keys = FileKeys(self.oidc_jwks_file) if self.oidc_jwks_file else UrlKeys(self.oidc_jwks_url)
        return Issuer(
            IssuerSettings(
                issuer=self.oidc_issuer,
                audience=self.oidc_audience,
                leeway=self.oidc_leeway,
                name_claim=self.oidc_name_claim,
                role_claim=self.oidc_role_claim,
                accounts_claim=self.oidc_accounts_claim,
                roles=meanings_of(self.oidc_roles),
            ),
            keys,
        )

    def keyring(self) -> Keyring | None:
        """The keys of the environment, the file and the command, in this order; None where none of them is set.

        Raises InvalidKey, OSError.
        """
        sources: list[KeySource] = []
        if self.secret_key.get_secret_value().strip():
            sources.append(KeyText(self.secret_key.get_secret_value(), "BRIDGX_SECRET_KEY"))
        if self.secret_key_file is not None:
            sources.append(KeyFile(self.secret_key_file))
        if self.secret_key_command.strip():
            sources.append(KeyCommand(self.secret_key_command))
        return Keyring(KeySources(sources)) if sources else None

    def provider_settings(self) -> Mapping[str, ProviderSettings]:
        """How each cloud is reached."""
        return {
            name: ProviderSettings(
                endpoint=getattr(self, f"endpoint_{name.lower()}"),
                connect_timeout=self.connect_timeout,
                read_timeout=self.read_timeout,
                pool_size=max(32, self.account_concurrency * 2),
            )
            for name in ADAPTERS
        }

    def limiter_settings(self) -> LimiterSettings:
        """How many calls there may be."""
        return LimiterSettings(
            places=self.account_concurrency, lease=self.lease, overrides=parse(self.rates, tuple(ADAPTERS))
        )

    def engine_settings(self) -> EngineSettings:
        """What the engine needs."""
        return EngineSettings(
            lease=self.lease,
            poll=self.poll,
            poll_limit=max(self.poll, EngineSettings.poll_limit),
            boot_timeout=self.boot_timeout,
            answer=self.read_timeout,
            visibility=self.visibility,
            give_up=self.give_up,
            stockout_memory=self.stockout_memory,
            reconcile=self.reconcile,
            batch=self.batch,
        )


def default_text(name: str, kind: type[BaseSettings] = Settings) -> str:
    """A setting's default, as help and documentation print it."""
    default: Any = kind.model_fields[name].default
    if isinstance(default, SecretStr) or default is None or default == "":
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)
