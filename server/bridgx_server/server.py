"""Builds the server from its parts: the one place where they meet."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import bridgx.v1 as pb
import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bridgx_server.identities.directory import Directory
from bridgx_server.interceptors.audit import Audit
from bridgx_server.interceptors.auth import Auth
from bridgx_server.interceptors.errors import Errors
from bridgx_server.interceptors.origin import networks_of
from bridgx_server.interceptors.roles import Roles
from bridgx_server.interceptors.telemetry import Telemetry
from bridgx_server.interceptors.validation import Validation
from bridgx_server.providers.registry import ProviderRegistry
from bridgx_server.provisioning.accounts import AccountClouds, StoredTemplates
from bridgx_server.provisioning.catalog import Catalog
from bridgx_server.provisioning.networks import Networks
from bridgx_server.scaling.assembly import make_engine, make_worker
from bridgx_server.scaling.plans import Planner
from bridgx_server.scaling.worker import Worker
from bridgx_server.services.account_service import AccountService
from bridgx_server.services.audit_service import AuditService
from bridgx_server.services.cluster_service import ClusterService
from bridgx_server.services.fee_service import FeeService
from bridgx_server.services.instance_service import InstanceService
from bridgx_server.services.network_service import NetworkService
from bridgx_server.services.task_service import TaskService
from bridgx_server.services.token_service import TokenService
from bridgx_server.settings import Settings
from bridgx_server.store.database import Store
from bridgx_server.store.secrets import Keyring

SERVICES = (
    "AccountService",
    "AuditService",
    "ClusterService",
    "FeeService",
    "InstanceService",
    "NetworkService",
    "TaskService",
    "TokenService",
)
MESSAGE_LIMIT = 4 * 1024 * 1024  # bytes
BACKGROUND_THREADS = 4

log = structlog.get_logger("bridgx.server")


@dataclass(frozen=True)
class Parts:
    """What a server or a worker is made of. ``tokens``: those of the settings, ``name`` or ``name=role`` → token."""

    settings: Settings
    store: Store
    keyring: Keyring
    tokens: Mapping[str, str]

    def clouds(self) -> AccountClouds:
        """The registered accounts as adapters."""
        return AccountClouds(self.store, self.keyring, ProviderRegistry(self.settings.provider_settings()))

    def worker(self, clouds: AccountClouds) -> Worker:
        """A worker, not started yet."""
        return make_worker(make_engine(self.store, clouds, self.templates(), self.settings.engine_settings()))

    def templates(self) -> StoredTemplates:
        """The templates with their passwords."""
        return StoredTemplates(self.store, self.keyring)


class Server:
    """The gRPC server, and a worker beside it if the settings say so."""

    def __init__(self, parts: Parts) -> None:
        self._settings = parts.settings
        self._stopping = threading.Event()
        self._background = ThreadPoolExecutor(BACKGROUND_THREADS, thread_name_prefix="bridgx-background")
        clouds = parts.clouds()
        self._worker = parts.worker(clouds) if parts.settings.worker else None
        self._health = health.HealthServicer()
        # A watch holds a thread for as long as it lasts, so watches have room of their own.
        self._server = grpc.server(
            ThreadPoolExecutor(parts.settings.threads + parts.settings.watches, thread_name_prefix="bridgx-call"),
            interceptors=_interceptors(parts),
            options=(
                ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ),
        )
        self._add_services(parts, clouds)
        self.port = 0

    def _add_services(self, parts: Parts, clouds: AccountClouds) -> None:
        store, keyring, settings = parts.store, parts.keyring, parts.settings
        catalog = Catalog(clouds, self._background)
        planner = Planner(store, clouds, parts.templates(), settings.engine_settings(), self._background)
        wake = self._worker.wake if self._worker else (lambda: None)
        pb.add_AccountServiceServicer_to_server(AccountService(store, keyring, clouds), self._server)
        pb.add_AuditServiceServicer_to_server(AuditService(store), self._server)
        pb.add_TokenServiceServicer_to_server(TokenService(store), self._server)
        pb.add_ClusterServiceServicer_to_server(
            ClusterService(store, keyring, clouds, catalog, settings.default_max_machines), self._server
        )
        pb.add_FeeServiceServicer_to_server(FeeService(store, settings.zone), self._server)
        pb.add_InstanceServiceServicer_to_server(InstanceService(store), self._server)
        pb.add_NetworkServiceServicer_to_server(NetworkService(store, Networks(store, clouds, catalog)), self._server)
        pb.add_TaskServiceServicer_to_server(
            TaskService(store, planner, wake, self._stopping.is_set, watches=settings.watches), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [f"bridgx.v1.{name}" for name in SERVICES]
        reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    def start(self) -> None:
        """Listens. Raises OSError when the port is taken."""
        address = f"{self._settings.grpc_host}:{self._settings.grpc_port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError:
            self.port = 0
        if self.port == 0:
            raise OSError(f"cannot listen on {address}")
        self._server.start()
        if self._worker:
            self._worker.start()
        self._set_health(health_pb2.HealthCheckResponse.SERVING)
        log.info("serving", address=f"{self._settings.grpc_host}:{self.port}", worker=self._worker is not None)

    def stop(self) -> None:
        """Accepts nothing more, lets what is under way end, gives leases back."""
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._stopping.set()
        stopped = self._server.stop(self._settings.stop_grace)
        if self._worker:
            self._worker.stop(self._settings.stop_grace)
        stopped.wait()
        self._background.shutdown(wait=False, cancel_futures=True)
        log.info("stopped")

    def _set_health(self, state: health_pb2.HealthCheckResponse.ServingStatus.ValueType) -> None:
        for name in ("", *(f"bridgx.v1.{service}" for service in SERVICES)):
            self._health.set(name, state)


def _interceptors(parts: Parts) -> list[grpc.ServerInterceptor]:
    """From the outermost to the innermost: who calls is known before the audit begins, which sees every refusal."""
    directory = Directory(parts.store, parts.tokens, parts.settings.issuer())
    audit = Audit(parts.store, networks_of(parts.settings.trusted_proxies))
    return [Telemetry(), Errors(), Auth(directory), audit, Roles(), Validation()]


def on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set from now on."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    return ended
