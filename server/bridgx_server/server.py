"""Builds the server from its parts: the one place where they meet."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import bridgx.v1 as pb
import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health_pb2

from bridgx_server.front.loop import loop_thread
from bridgx_server.front.methods import Method, Methods
from bridgx_server.front.places import watch_places
from bridgx_server.front.probes import Probes
from bridgx_server.front.receiving import Front, FrontLimits
from bridgx_server.identities.directory import Directory
from bridgx_server.interceptors.audit import Audit
from bridgx_server.interceptors.auth import Auth
from bridgx_server.interceptors.deadlines import Deadlines
from bridgx_server.interceptors.endings import Endings
from bridgx_server.interceptors.errors import Errors
from bridgx_server.interceptors.origin import networks_of
from bridgx_server.interceptors.parsing import Parsing
from bridgx_server.interceptors.roles import Roles
from bridgx_server.interceptors.stack import Stack
from bridgx_server.interceptors.telemetry import Telemetry
from bridgx_server.interceptors.validation import Validation
from bridgx_server.providers.registry import ProviderRegistry
from bridgx_server.provisioning.accounts import AccountClouds, StoredTemplates
from bridgx_server.provisioning.catalog import Catalog
from bridgx_server.provisioning.claims import Claims
from bridgx_server.provisioning.cloud_accounts import learn
from bridgx_server.provisioning.networks import Networks
from bridgx_server.provisioning.unfinished import Sweep
from bridgx_server.provisioning.visibility import Patience
from bridgx_server.scaling.assembly import make_engine, make_worker
from bridgx_server.scaling.engine import Engine
from bridgx_server.scaling.limiter import Limiter
from bridgx_server.scaling.periodic import Periodic
from bridgx_server.scaling.plans import Planner
from bridgx_server.scaling.worker import Worker
from bridgx_server.services.account_service import AccountService
from bridgx_server.services.audit_service import AuditService
from bridgx_server.services.cluster_service import ClusterService
from bridgx_server.services.fee_service import FeeService
from bridgx_server.services.instance_service import InstanceService
from bridgx_server.services.network_requests import MESSAGES, performing
from bridgx_server.services.network_service import NetworkService
from bridgx_server.services.reconcile_service import ReconcileService
from bridgx_server.services.task_service import TaskService
from bridgx_server.services.token_service import TokenService
from bridgx_server.settings import Settings
from bridgx_server.store import comparisons, requests, watches
from bridgx_server.store.database import Store
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring
from bridgx_server.tls import FreshTls
from bridgx_server.transport import address_of, grpc_server_credentials, refuse_plaintext

SERVICES = (
    "AccountService",
    "AuditService",
    "ClusterService",
    "FeeService",
    "InstanceService",
    "NetworkService",
    "ReconcileService",
    "TaskService",
    "TokenService",
)
NAMES = tuple(f"bridgx.v1.{name}" for name in SERVICES)
PENDING = 20_000  # calls
MESSAGE_LIMIT = 1024 * 1024  # bytes, of a request
METADATA_LIMIT = 32 * 1024  # bytes of headers; the edge lets less through
IDLE = 300  # seconds without a call after which a connection is closed
BACKGROUND_THREADS = 4

log = structlog.get_logger("bridgx.server")


@dataclass(frozen=True)
class Parts:
    """What a server or a worker is made of.

    ``tokens``: those of the settings, ``name`` or ``name=role`` → token. ``clock``: seconds by which catalogs age.
    """

    settings: Settings
    store: Store
    keyring: Keyring
    tokens: Mapping[str, str]
    clock: Callable[[], float] = time.monotonic

    @cached_property
    def limiter(self) -> Limiter:
        """What all calls to the clouds pass."""
        return Limiter(self.store, self.settings.limiter_settings())

    @cached_property
    def claims(self) -> Claims:
        """The requests under way here."""
        settings = self.settings
        unsettled = settings.connect_timeout + settings.read_timeout + settings.visibility
        return Claims(self.store, lease=settings.lease, unsettled=unsettled)

    def clouds(self) -> AccountClouds:
        """The registered accounts as adapters."""
        registry = ProviderRegistry(self.settings.provider_settings(), self.limiter)
        return AccountClouds(self.store, self.keyring, registry)

    def engine(self, clouds: AccountClouds) -> Engine:
        """An engine over these accounts."""
        return make_engine(self.store, clouds, self.templates(), self.settings.engine_settings(), gates=self.limiter)

    def worker(self, clouds: AccountClouds) -> Worker:
        """A worker, not started yet."""
        return make_worker(self.engine(clouds))

    def templates(self) -> StoredTemplates:
        """The templates with their passwords."""
        return StoredTemplates(self.store, self.keyring)

    def networks(self, clouds: AccountClouds, background: Executor | None = None) -> Networks:
        """The flows of networks over these accounts; ``background`` refreshes catalogs."""
        background = background or ThreadPoolExecutor(BACKGROUND_THREADS, thread_name_prefix="bridgx-background")
        settings = self.settings
        patience = Patience(settings.visibility, settings.read_timeout, settings.call_time)
        return Networks(self.store, clouds, Catalog(clouds, background, self.clock), patience)

    def housekeeping(self, networks: Networks) -> Periodic:
        """What is done beside the tasks, not started yet.

        Every place is compared, what was cut off is finished, what is old is forgotten, and the clouds are asked whose the keys
        are.
        """
        sweep = Sweep(self.claims, MESSAGES, performing(self.store, networks, EVERYTHING), self.settings.unfinished)

        def job() -> None:
            watches.ensure_places(self.store)
            sweep.run()
            requests.forget_old(self.store)
            comparisons.forget_old(self.store)
            learn(self.store, networks.clouds)

        return Periodic("housekeeping", min(self.settings.reconcile, self.settings.unfinished / 3), job)


class Server:
    """The gRPC server, and a worker beside it if the settings say so."""

    def __init__(self, parts: Parts) -> None:
        self._settings = parts.settings
        self._stopping = threading.Event()
        self._background = ThreadPoolExecutor(BACKGROUND_THREADS, thread_name_prefix="bridgx-background")
        clouds = parts.clouds()
        networks = parts.networks(clouds, self._background)
        engine = parts.engine(clouds)
        self._worker = make_worker(engine) if parts.settings.worker else None
        self._housekeeping = parts.housekeeping(networks) if parts.settings.worker else None
        telemetry = Telemetry()
        methods = list(self._methods(parts, clouds, engine, networks).within(layers(parts, telemetry)))
        self._loop = loop_thread()
        self._listener = self._loop.run(_Listener.made(parts.settings, methods, telemetry))
        self.port = 0

    def _methods(self, parts: Parts, clouds: AccountClouds, engine: Engine, networks: Networks) -> Methods:
        store, keyring, settings = parts.store, parts.keyring, parts.settings
        planner = Planner(store, clouds, parts.templates(), settings.engine_settings(), self._background, parts.limiter)
        wake = self._worker.wake if self._worker else (lambda: None)
        methods = Methods()
        server: Any = methods
        pb.add_AccountServiceServicer_to_server(AccountService(parts.claims, keyring, clouds), server)
        pb.add_AuditServiceServicer_to_server(AuditService(store), server)
        pb.add_TokenServiceServicer_to_server(TokenService(store), server)
        pb.add_ClusterServiceServicer_to_server(
            ClusterService(
                parts.claims, keyring, clouds, networks.catalog, settings.default_max_machines, settings.visibility
            ),
            server,
        )
        pb.add_FeeServiceServicer_to_server(FeeService(store, settings.zone), server)
        pb.add_InstanceServiceServicer_to_server(InstanceService(store), server)
        pb.add_NetworkServiceServicer_to_server(NetworkService(parts.claims, networks), server)
        pb.add_ReconcileServiceServicer_to_server(ReconcileService(engine, wake), server)
        pb.add_TaskServiceServicer_to_server(
            TaskService(
                parts.claims,
                planner,
                wake,
                self._stopping.is_set,
                places=watch_places(settings.watches, settings.watches_per_caller),
                watch_time=settings.watch_time,
            ),
            server,
        )
        return methods

    def start(self) -> None:
        """Listens. Raises OSError when the port is taken, TransportError when TLS cannot be had or is missing."""
        settings = self._settings
        address = address_of(settings.grpc_host, settings.grpc_port)
        tls = settings.tls()
        refuse_plaintext(
            settings.grpc_host,
            tls=tls is not None,
            allowed=settings.insecure_plaintext,
            remedy="Set --tls-certificate and --tls-key",
        )
        credentials = grpc_server_credentials(FreshTls(tls)) if tls else None
        self.port = self._loop.run(self._listener.listen(address, credentials))
        if self._worker:
            self._worker.start()
        if self._housekeeping:
            self._housekeeping.start()
        self._loop.run(self._listener.serve())
        log.info("serving", address=address_of(settings.grpc_host, self.port), tls=bool(tls), worker=bool(self._worker))

    def stop(self, *, and_close: bool = True) -> None:
        """Accepts nothing more, lets what is under way end, gives leases back.

        Without ``and_close`` the port is left to the end of the process, until which calls are answered UNAVAILABLE: when
        gRPC closes it, calls that come at that moment are CANCELLED.
        """
        if not and_close:
            self._loop.keep(self._listener)
        self._stopping.set()
        stopped = self._loop.begin(self._listener.stop(self._settings.stop_grace, and_close))
        if self._worker:
            self._worker.stop(self._settings.stop_grace)
        if self._housekeeping:
            self._housekeeping.stop(self._settings.stop_grace)
        stopped.result()
        self._background.shutdown(wait=False, cancel_futures=True)
        log.info("stopped")


class _Listener:
    """What lives in the event loop."""

    @classmethod
    async def made(cls, settings: Settings, methods: Sequence[Method], telemetry: Telemetry) -> _Listener:
        """One that does not listen yet."""
        return cls(settings, methods, telemetry)

    def __init__(self, settings: Settings, methods: Sequence[Method], telemetry: Telemetry) -> None:
        limits = FrontLimits(
            message_time=settings.message_time,
            call_time=settings.call_time,
            # A stream that a client does not read cannot end itself.
            stream_time=settings.watch_time + 60,
            threads=settings.threads,
            backlog=settings.backlog,
        )
        self._front = Front(methods, limits, telemetry.tell)
        self._probes = Probes(NAMES, settings.message_time)
        self._server = grpc.aio.server(handlers=[self._front, self._probes], options=_channel_options(settings))

    async def listen(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """The port. Raises OSError when it is taken."""
        server = self._server
        try:
            port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        except RuntimeError:
            port = 0
        if port == 0:
            raise OSError(f"cannot listen on {address}")
        await server.start()
        return port

    async def serve(self) -> None:
        """Says that all is well."""
        for name in ("", *NAMES):
            self._probes.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace: float, and_close: bool) -> None:
        """Says that it is over, waits ``grace`` seconds for what is under way, and closes the port."""
        self._probes.stop()
        await self._front.drain(grace)
        if and_close:
            await self._front.close(self._server)
            self._probes.close()


def layers(parts: Parts, telemetry: Telemetry) -> grpc.ServerInterceptor:
    """All that is around every call. Who calls is known before the audit begins, which sees every refusal."""
    directory = Directory(parts.store, parts.tokens, parts.settings.issuer())
    audit = Audit(parts.store, networks_of(parts.settings.trusted_proxies))
    inner = [Endings(), Deadlines(), Auth(directory), Parsing(), audit, Roles(), Validation()]
    return Stack([telemetry, Errors(), *inner])


def _channel_options(settings: Settings) -> tuple[tuple[str, int], ...]:
    """What a connection may cost, in gRPC's own words."""
    pending = max(PENDING, settings.threads + settings.watches + 2 * settings.backlog)
    return (
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", MESSAGE_LIMIT),
        ("grpc.max_metadata_size", METADATA_LIMIT),
        ("grpc.absolute_max_metadata_size", METADATA_LIMIT),
        ("grpc.max_concurrent_streams", settings.connection_streams),
        ("grpc.max_allowed_incoming_connections", settings.connections),
        # Calls that the event loop has not come to: beyond 1,000 gRPC would refuse more and more of them, as CANCELLED.
        ("grpc.server.max_pending_requests", pending),
        ("grpc.server.max_pending_requests_hard_limit", 2 * pending),
        ("grpc.server_handshake_timeout_ms", 10_000),
        # A peer that is gone is noticed; one that pings more often than every 10 s, thrice, is sent away.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_connection_idle_ms", IDLE * 1000),
    )


def on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set from now on."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    return ended
