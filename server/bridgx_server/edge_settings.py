"""Settings of `bridgx edge`: environment variables BRIDGX_EDGE_*, one TOML file, and flags."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bridgx_server.edge_config import EdgeLimits, EdgeTls
from bridgx_server.settings import check_tls
from bridgx_server.tls import FreshTls, TlsFiles
from bridgx_server.transport import refuse_plaintext

EDGE_FILE_VARIABLE = "BRIDGX_EDGE_SETTINGS_FILE"


class EdgeSettings(BaseSettings):
    """What can be set. The descriptions are what `bridgx edge --help` prints."""

    model_config = SettingsConfigDict(env_prefix="BRIDGX_EDGE_", extra="forbid", validate_default=True)

    host: str = Field("127.0.0.1", description="Address that Envoy listens on for REST and gRPC.")
    port: int = Field(8080, ge=1, le=65535, description="Port that Envoy listens on.")
    admin_port: int = Field(9901, ge=1, le=65535, description="Port of Envoy's admin interface, always on loopback.")
    server_host: str = Field("127.0.0.1", description="Address or name of the gRPC server.")
    server_port: int = Field(50051, ge=1, le=65535, description="Port of the gRPC server.")
    directory: Path = Field(
        Path(".bridgx-edge"),
        description="Folder for Envoy's configuration, its log, and its copy of the keys (mode 0600).",
    )
    log_to_stdout: bool = Field(
        False,
        description="Envoy's log goes to standard output instead of a file in that folder, which nothing rotates.",
    )
    concurrency: int = Field(2, ge=1, le=256, description="Envoy's worker threads.")
    tls_certificate: Path | None = Field(None, description="PEM file: the listener's certificate and its chain.")
    tls_key: Path | None = Field(
        None, description="PEM file: the key of that certificate. Both are read anew when they change."
    )
    tls_client_ca: Path | None = Field(None, description="PEM file: the CAs that clients' certificates must come from.")
    tls_require_client_certificate: bool = Field(
        True, description="With tls_client_ca: refuse clients without a certificate; else only those with a wrong one."
    )
    server_ca: Path | None = Field(
        None, description="PEM file: the CAs that the server's certificate must come from; set: TLS to the server."
    )
    server_name: str = Field("", description="Name in the server's certificate; server_host where none is set.")
    client_certificate: Path | None = Field(None, description="PEM file: the certificate that is shown to the server.")
    client_key: Path | None = Field(None, description="PEM file: the key of that certificate.")
    insecure_plaintext: bool = Field(
        False,
        description="Listen, and reach the server, beyond loopback without TLS: everyone on the way reads tokens and secrets.",
    )
    requests_per_second: int = Field(
        1000, ge=1, le=1_000_000, description="Requests that a client may make in the long run."
    )
    burst: int = Field(3000, ge=1, le=1_000_000, description="Requests that a client may make at once.")
    total_requests_per_second: int = Field(10_000, ge=1, le=1_000_000, description="Requests of all clients together.")
    connections: int = Field(10_000, ge=8, le=1_000_000, description="Connections of all clients at once.")
    heap_mib: int = Field(1024, ge=64, le=1_048_576, description="MiB of memory; near it Envoy gives up requests.")
    trusted_proxies: int = Field(
        0, ge=0, le=16, description="Proxies before Envoy whose x-forwarded-for is believed to tell the client."
    )

    @model_validator(mode="after")
    def _whole_tls(self) -> EdgeSettings:
        check_tls(self.tls_certificate, self.tls_key, self.tls_client_ca)
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("client_certificate and client_key go together: one of them is missing")
        if self.client_certificate is not None and self.server_ca is None:
            raise ValueError("client_certificate is of use with server_ca alone")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get(EDGE_FILE_VARIABLE)
        sources = (init_settings, env_settings)
        return (*sources, TomlConfigSettingsSource(settings_cls, Path(file))) if file else sources

    def limits(self) -> EdgeLimits:
        """What the edge lets through."""
        return EdgeLimits(
            requests_per_second=self.requests_per_second,
            burst=self.burst,
            total_requests_per_second=self.total_requests_per_second,
            connections=self.connections,
            heap_mib=self.heap_mib,
            trusted_proxies=self.trusted_proxies,
        )

    def tls(self) -> EdgeTls:
        """TLS of both sides, checked. Raises TransportError for files that are not good and for plaintext where it is refused."""
        listener = server = None
        if self.tls_certificate is not None:
            files = TlsFiles(
                self.tls_certificate, self.tls_key, self.tls_client_ca, self.tls_require_client_certificate
            )
            listener = FreshTls(files)
        if self.server_ca is not None:
            server = FreshTls(TlsFiles(self.client_certificate, self.client_key, self.server_ca))
        refuse_plaintext(
            self.host,
            tls=listener is not None,
            allowed=self.insecure_plaintext,
            remedy="Set --tls-certificate and --tls-key",
        )
        refuse_plaintext(
            self.server_host, tls=server is not None, allowed=self.insecure_plaintext, remedy="Set --server-ca"
        )
        return EdgeTls(listener, server, self.server_name or self.server_host)
