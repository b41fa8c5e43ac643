"""Tokens that are given out: shown once, kept as hashes, good for what they say, and over when they are revoked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Client, failure_of
from bridgx_server.cli import main
from bridgx_server.demo.ports import free_port
from bridgx_server.demo.system import Running
from bridgx_server.edge import EnvoyProcess
from bridgx_server.errors import AlreadyExists, TokenInvalid
from bridgx_server.identities.directory import REMEMBERED, Directory
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store import tokens
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import TaskRow
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope
from bridgx_server.store.secrets import Keyring
from click.testing import CliRunner
from contract.conftest import Api, until
from contract.tenants import CLOUD, ROOT, World, outcome, world


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("tokens")) as one:
        one.tenant(f"demo-{CLOUD}", f"demo-secret-{CLOUD}")
        yield one


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    migrate(store)
    yield store
    store.close()


def made(store: Store, name: str, scope: Scope = EVERYTHING, lifetime: int = 1000) -> tuple[str, int]:
    token, stored = tokens.create(store, name=name, role="operator", scope=scope, lifetime=lifetime, caller="test")
    return token, stored.id


def refused(call: object, request: object) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)  # type: ignore[operator]
    return failure_of(caught.value).reason


def test_a_token_is_shown_once_and_works(server: World, tmp_path: Path) -> None:
    answer = server.token("shown-once", "viewer")
    client = server.client(answer.token)
    assert client.clusters.ListClusters(pb.ListClustersRequest()).pager.total == 0
    (row,) = [row for row in server.root.list_tokens() if row.name == "shown-once"]
    assert (row.token_id, row.role, row.status, row.all_accounts, row.create_by) == (
        answer.token_id,
        "viewer",
        "active",
        True,
        "root",
    )
    assert row.expire_at == answer.expire_at
    assert answer.token not in str(list(server.root.list_tokens()))
    until(lambda: any(row.HasField("last_used_at") for row in server.root.list_tokens() if row.name == "shown-once"))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "", "role": "viewer", "all_accounts": True}, "name"),
        ({"name": "two words", "role": "viewer", "all_accounts": True}, "name"),
        ({"name": "a", "role": "king", "all_accounts": True}, "role"),
        ({"name": "a", "role": "viewer"}, "accounts.required"),
        ({"name": "a", "role": "viewer", "all_accounts": True, "lifetime": -1}, "lifetime"),
        ({"name": "a", "role": "viewer", "accounts": [{"provider": "MoonCloud", "account_key": "x"}]}, "accounts"),
        ({"name": "a", "role": "viewer", "accounts": [{"provider": CLOUD, "account_key": "x"}]}, "accounts"),
    ],
)
def test_a_wrong_field_is_named(server: World, fields: dict[str, object], field: str) -> None:
    code, reason, _, *named = outcome(
        server.root,
        "TokenService.CreateToken",
        pb.CreateTokenRequest(**fields),  # type: ignore[arg-type]
    )
    assert (code, reason) == ("StatusCode.INVALID_ARGUMENT", "param_invalid")
    assert any(name.startswith((field, field.partition(".")[0])) for name in named), named


def test_a_name_belongs_to_one_living_token(server: World) -> None:
    first = server.token("taken", "viewer")
    again = pb.CreateTokenRequest(name="taken", role="viewer", all_accounts=True)
    assert refused(server.root.tokens.CreateToken, again) == "token_already_exists"
    server.root.tokens.RevokeToken(pb.RevokeTokenRequest(token_id=first.token_id))
    second = server.root.tokens.CreateToken(again)
    assert second.token_id != first.token_id


def test_a_name_is_compared_with_those_alone_that_the_caller_sees(store: Store) -> None:
    """The tokens of another tenant hold no name back, so that a refusal tells nothing of them."""
    one, two = AccountName(CLOUD, "one"), AccountName(CLOUD, "two")

    def give(giver: Scope, scope: Scope) -> int:
        return tokens.create(store, name="ci", role="viewer", scope=scope, lifetime=1000, caller="test", giver=giver)[
            1
        ].id

    shared = give(EVERYTHING, Scope.of([one, two]))  # which neither of the two sees
    first = give(Scope.of([one]), Scope.of([one]))
    give(Scope.of([two]), Scope.of([two]))
    for giver, scope in (
        (Scope.of([one]), Scope.of([one])),
        (Scope.of([one, two]), Scope.of([one, two])),
        (EVERYTHING, EVERYTHING),
        (EVERYTHING, Scope.of([two])),
    ):
        with pytest.raises(AlreadyExists):
            give(giver, scope)
    for token_id in (first, shared):
        tokens.revoke(store, EVERYTHING, token_id)
    with pytest.raises(AlreadyExists):
        give(EVERYTHING, EVERYTHING)
    assert give(Scope.of([one]), Scope.of([one])) != first


def test_of_callers_with_the_same_accounts_one_gets_a_name(store: Store) -> None:
    one = Scope.of([AccountName(CLOUD, "one")])

    def give(number: int) -> bool:
        try:
            tokens.create(store, name="ci", role="viewer", scope=one, lifetime=1000, caller=f"{number}", giver=one)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(give, range(6))) == [False] * 5 + [True]


def test_token_names_of_two_tenants(server: World) -> None:
    tenants = []
    for key in ("left", "right"):
        body = {"cloud": CLOUD, "access_key": key, "secret": f"the-secret-of-{key}"}
        server.control.call("POST", "/accounts", body)
        tenants.append(server.tenant(key, f"the-secret-of-{key}"))
    wanted = [
        pb.CreateTokenRequest(
            name="deploy", role="viewer", accounts=[pb.TokenAccount(provider=CLOUD, account_key=tenant.account_key)]
        )
        for tenant in tenants
    ]
    for tenant, request in zip(tenants, wanted, strict=True):
        assert tenant.admin.tokens.CreateToken(request).token_id
        assert refused(tenant.admin.tokens.CreateToken, request) == "token_already_exists"
    assert refused(server.root.tokens.CreateToken, wanted[0]) == "token_already_exists"
    assert [row.name for row in server.root.list_tokens()].count("deploy") == 2


def test_revoking_is_for_ever_and_may_be_repeated(server: World) -> None:
    token = server.token("revoked-twice", "viewer")
    for _ in range(2):
        answer = server.root.tokens.RevokeToken(pb.RevokeTokenRequest(token_id=token.token_id))
        assert answer.token_id == token.token_id
    (row,) = [row for row in server.root.list_tokens() if row.token_id == token.token_id]
    assert (row.status, row.HasField("revoke_at")) == ("revoked", True)
    for unknown in ("999999", "abc", "-1"):
        assert refused(server.root.tokens.RevokeToken, pb.RevokeTokenRequest(token_id=unknown)) == "token_not_found"


def _watched(server: World, client: Client, open_: threading.Event) -> str:
    """Watches a task that does not end; the reason for which the watch did, as its last message and its status say."""
    stream = client.tasks.WatchTask(pb.WatchTaskRequest(task_id=_endless_task(server)))
    states = [next(stream)]
    open_.set()
    with pytest.raises(grpc.RpcError) as caught:
        states.extend(stream)
    last = states[-1]
    assert last.phase == "QUEUED"  # what was said before, once more
    failure = failure_of(caught.value)
    assert (last.end.reason, last.end.message) == (failure.reason, failure.message)
    return failure.reason


def _endless_task(server: World) -> str:
    """A task that nobody carries out, since its account is unknown to the workers of this test."""
    with server.store.transaction():
        row = TaskRow.create(
            name="endless",
            action="EXPAND",
            status="INIT",
            phase="QUEUED",
            cluster_id=10_000,
            cluster_name="endless",
            account_id=10_000,
            account_key="endless",
            provider=CLOUD,
            asked=1,
            reason="",
            error_class="",
            cancel="",
            created_at=server.store.now(),
            created_by="test",
            queue_at=server.store.now() + 10**9,
        )
    return str(row.id)


def test_a_watch_ends_when_its_token_is_revoked_by_another_process(server: World) -> None:
    token = server.token("watcher", "viewer")
    client, open_ = server.client(token.token), threading.Event()
    with ThreadPoolExecutor(1) as pool, _another_server(server) as elsewhere:
        watch = pool.submit(_watched, server, client, open_)
        assert open_.wait(60)
        elsewhere.tokens.RevokeToken(pb.RevokeTokenRequest(token_id=token.token_id))
        assert watch.result(60) == "token_invalid"
    assert refused(client.clusters.ListClusters, pb.ListClustersRequest()) == "token_invalid"


def test_a_watch_ends_when_its_token_expires(server: World) -> None:
    client, open_ = server.client(server.token("short-lived", "viewer", lifetime=2).token), threading.Event()
    assert _watched(server, client, open_) == "token_invalid"
    assert refused(client.clusters.ListClusters, pb.ListClustersRequest()) == "token_invalid"
    assert server.token("short-lived", "viewer").token_id  # an expired token no longer holds its name


def test_over_rest_a_watch_ends_too(server: World, tmp_path: Path) -> None:
    token, task_id = server.token("rest-watcher", "viewer"), _endless_task(server)
    grpc_port = int(server.address.rpartition(":")[2])
    with EnvoyProcess(grpc_port, free_port(), free_port(), tmp_path) as envoy:
        mine = Api(f"http://127.0.0.1:{envoy.rest_port}", token.token)
        with mine.client.stream("GET", "task/watch", params={"task_id": task_id}) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("data:")
            server.root.tokens.RevokeToken(pb.RevokeTokenRequest(token_id=token.token_id))
            *_, last = [json.loads(line.removeprefix("data:")) for line in lines if line]  # to its end
        assert last["end"] == {"reason": "token_invalid", "message": "the bearer token was revoked"}
        assert last["phase"] == "QUEUED"
        assert mine.refused("task/watch", task_id=task_id)["msg"] == "token_invalid"


class _another_server(ExitStack):
    """A second server on the same database, as another process would be: nothing is shared but the store."""

    def __init__(self, server: World) -> None:
        super().__init__()
        self._url = f"sqlite:///{server.store.database.database}"

    def __enter__(self) -> Client:  # type: ignore[override]
        super().__enter__()
        store = Store(self._url)
        self.callback(store.close)
        settings = Settings(database_url=self._url, grpc_port=0, worker=False)
        other = Server(Parts(settings, store, Keyring.of(b"k" * 32), ROOT))
        other.start()
        self.callback(other.stop)
        return self.enter_context(Client(f"127.0.0.1:{other.port}", "root-token", timeout=60))


def test_a_revoked_token_is_believed_no_longer_than_is_promised(store: Store) -> None:
    moment = [0.0]
    directory = Directory(store, {}, clock=lambda: moment[0])
    token, token_id = made(store, "ci")
    assert directory.identify(token).name == "ci"
    tokens.revoke(store, EVERYTHING, token_id)
    moment[0] = REMEMBERED - 0.001
    assert directory.identify(token).name == "ci"
    moment[0] = REMEMBERED
    with pytest.raises(TokenInvalid, match="was revoked"):
        directory.identify(token)


def test_what_is_kept_is_a_hash(store: Store) -> None:
    token, _ = made(store, "ci", Scope.of([AccountName("AWSCloud", "AKIA1")]))
    with store.connection():
        rows = [
            store.database.execute_sql(f"SELECT * FROM {table}").fetchall()
            for table in ("tokens", "token_accounts", "audit")
        ]
    assert token not in repr(rows)
    assert token.removeprefix(tokens.PREFIX) not in repr(rows)
    found = tokens.by_token(store, token)
    assert found is not None
    assert found.scope == Scope.of([AccountName("AWSCloud", "AKIA1")])
    assert tokens.by_token(store, token[:-1] + "!") is None


def test_one_of_many_that_ask_for_a_name_gets_it(store: Store) -> None:
    together = threading.Barrier(6)

    def ask(_: int) -> str:
        together.wait()
        try:
            return made(store, "ci")[0]
        except Exception as error:
            return type(error).__name__
        finally:
            if store.dialect == "sqlite":
                store.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert sorted(answer.startswith(tokens.PREFIX) for answer in answers) == [False] * 5 + [True]
    assert set(answers) >= {"AlreadyExists"}


def test_the_last_use_is_written_once_a_minute(store: Store) -> None:
    token, _ = made(store, "ci")

    def used(now: int) -> int:
        stored = tokens.by_token(store, token)
        assert stored is not None
        tokens.note_use(store, stored, now)
        after = tokens.by_token(store, token)
        assert after is not None
        return after.last_used_at

    assert [used(100_000), used(159_999), used(160_000), used(170_000)] == [100_000, 100_000, 160_000, 160_000]


def test_tokens_of_some_accounts_are_seen_by_who_has_all_of_these(store: Store) -> None:
    one, two = AccountName("AWSCloud", "A"), AccountName("AWSCloud", "B")
    for name, scope in {"all": EVERYTHING, "one": Scope.of([one]), "both": Scope.of([one, two])}.items():
        made(store, name, scope)
    wanted = tokens.PageOf.asked(1, 50)

    def seen(scope: Scope) -> list[str]:
        return [token.name for token in tokens.page(store, scope, wanted).rows]

    assert seen(EVERYTHING) == ["both", "one", "all"]
    assert seen(Scope.of([one, two])) == ["both", "one"]
    assert seen(Scope.of([one])) == ["one"]
    assert seen(Scope.of([])) == []


def test_over_rest_a_token_is_given_out_listed_and_revoked(system: Running, api: Api) -> None:
    account = {"provider": CLOUD, "account_key": f"demo-{CLOUD}"}
    made = api.post("token/create", {"name": "rest", "role": "viewer", "accounts": [account], "lifetime": 3600})
    assert set(made) == {"token_id", "token", "expire_at"}
    mine = Api(system.rest_url, made["token"])
    assert [row["account_key"] for row in mine.get("cloud_account/list")["account_list"]] == [f"demo-{CLOUD}"]
    assert mine.refused("cluster/expand", {"cluster_name": "x", "task_name": "x", "count": 1})["msg"] == (
        "permission_denied"
    )
    assert mine.refused("token/list")["code"] == 403
    rows = {row["token_id"]: row for row in api.get("token/list", page_size=50)["token_list"]}
    assert rows[made["token_id"]]["accounts"] == [account]
    assert "token" not in rows[made["token_id"]]
    assert api.post("token/revoke", {"token_id": made["token_id"]}) == made["token_id"]
    until(lambda: mine.client.get("cloud_account/list").status_code == 401)


def test_the_first_token_is_made_at_the_command_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    run = CliRunner()

    def bridgx(*arguments: str, code: int = 0) -> str:
        result = run.invoke(main, [*arguments, "--database-url", url])
        assert result.exit_code == code, result.output
        return result.stdout

    bridgx("migrate")
    token = bridgx("token", "create", "--name", "first", "--role", "admin", "--all-accounts").strip()
    store = Store(url)
    identity = Directory(store, {}).identify(token)
    assert (identity.name, identity.role.word, identity.scope) == ("first", "admin", EVERYTHING)
    assert token not in bridgx("token", "list")
    bridgx("token", "revoke", "1")
    bridgx("token", "revoke", "7", code=1)
    bridgx("token", "create", "--name", "x", "--role", "viewer", code=1)
    bridgx("token", "create", "--name", "x", "--role", "viewer", "--account", "AWSCloud/none", code=1)
    with pytest.raises(TokenInvalid):
        Directory(store, {}).identify(token)
    told = bridgx("audit")
    assert "command line (command line) token revoke token first" in told
    assert "token_not_found" in told
    store.close()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("ops", "name:token"), ("ops=king:t", "king"), ("=viewer:t", "name"), ("a:1,a=viewer:2", "another token")],
)
def test_wrong_tokens_of_the_settings_are_told(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Settings(tokens=text).token_table()  # type: ignore[arg-type]
