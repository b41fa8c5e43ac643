"""JWTs of an OIDC issuer: who they are good for, and everything that they must not be."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import jwt
import pytest
from bridgx import Client, failure_of
from bridgx_server.errors import TokenInvalid
from bridgx_server.identities.issuer import Issuer, IssuerSettings
from bridgx_server.identities.keys import FRESH, SHORTEST, UrlKeys
from bridgx_server.providers.base import Credentials
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store import accounts
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.secrets import Keyring
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

ISSUER, AUDIENCE = "https://login.example.net/", "bridgx"
KEYRING = Keyring.of(b"k" * 32)


@dataclass(frozen=True)
class Key:
    """A key pair of the issuer."""

    kid: str
    algorithm: str
    private: Any

    def jwk(self, **changes: Any) -> dict[str, Any]:
        public = self.private.public_key()
        kind = jwt.get_algorithm_by_name(self.algorithm)
        return {**kind.to_jwk(public, as_dict=True), "kid": self.kid, "use": "sig", **changes}

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        return jwt.encode(dict(claims), self.private, algorithm=self.algorithm, headers={"kid": self.kid, **header})


def rsa_key(kid: str, bits: int = 2048) -> Key:
    return Key(kid, "RS256", rsa.generate_private_key(65537, bits))


RSA, ELLIPTIC = rsa_key("rsa-1"), Key("ec-1", "ES256", ec.generate_private_key(ec.SECP256R1()))
EDWARDS, STRANGER = Key("ed-1", "EdDSA", ed25519.Ed25519PrivateKey.generate()), rsa_key("rsa-1")
SMALL = rsa_key("small", 1024)


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; a claim that is None is left out."""
    now = int(time.time())
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": now,
        "exp": now + 600,
        "bridgx_role": "viewer",
        "bridgx_accounts": "*",
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Service:
    address: str
    store: Store

    def ask(self, token: str) -> tuple[str, Any]:
        """`ok` and the access keys that are seen, or the reason and the words of the refusal."""
        with Client(self.address, token, timeout=60) as client:
            try:
                return "ok", [row.account_key for row in client.list_accounts()]
            except grpc.RpcError as error:
                told = failure_of(error)
                return told.reason, told.message


def serving(directory: Path, **settings: Any) -> Iterator[Service]:
    url = f"sqlite:///{directory}/bridgx.db"
    store = Store(url)
    migrate(store)
    for key in ("AKIA1", "AKIA2"):
        accounts.register(store, KEYRING, Credentials("AWSCloud", key, "s" * 20, ""), name=key, caller="test")
    chosen = Settings(database_url=url, grpc_port=0, worker=False, **settings)
    server = Server(Parts(chosen, store, KEYRING, {"root": "root-token"}))
    server.start()
    yield Service(f"127.0.0.1:{server.port}", store)
    server.stop()
    store.close()


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "jwks.json"
    secret = {"kty": "oct", "kid": "shared", "k": base64.urlsafe_b64encode(b"s" * 32).decode()}
    encryption = rsa_key("enc").jwk(use="enc")
    keys = [RSA.jwk(), ELLIPTIC.jwk(), EDWARDS.jwk(), SMALL.jwk(), secret, encryption, {"kty": "new", "kid": "new"}]
    file.write_text(json.dumps({"keys": keys}))
    return file


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, keys_file: Path) -> Iterator[Service]:
    yield from serving(
        tmp_path_factory.mktemp("jwt"),
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks_file=keys_file,
    )


@pytest.mark.parametrize("key", [RSA, ELLIPTIC, EDWARDS], ids=lambda key: key.algorithm)
def test_a_jwt_of_the_issuer_is_an_identity_beside_tokens(service: Service, key: Key) -> None:
    assert service.ask(key.sign(claims())) == ("ok", ["AKIA2", "AKIA1"])
    assert service.ask("root-token") == ("ok", ["AKIA2", "AKIA1"])


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (["AWSCloud/AKIA1"], ["AKIA1"]),
        ("AWSCloud/AKIA1 AWSCloud/AKIA2", ["AKIA2", "AKIA1"]),
        (["HuaweiCloud/AKIA1"], []),
        (None, []),
        ([], []),
        (["*"], ["AKIA2", "AKIA1"]),
    ],
)
def test_accounts_come_from_their_claim_and_absent_means_none(service: Service, said: Any, seen: list[str]) -> None:
    assert service.ask(RSA.sign(claims(bridgx_accounts=said))) == ("ok", seen)


@pytest.mark.parametrize(
    ("said", "may"),
    [("viewer", False), ("operator", True), (["viewer", "operator"], True), ("stranger viewer", False)],
)
def test_the_highest_role_of_its_claim_counts(service: Service, said: Any, may: bool) -> None:
    with Client(service.address, RSA.sign(claims(bridgx_role=said)), timeout=60) as client:
        with pytest.raises(grpc.RpcError) as caught:
            client.tasks.ExpandCluster(pb.ExpandClusterRequest(cluster_name="none", task_name="x", count=1))
        assert failure_of(caught.value).reason == ("cluster_not_found" if may else "permission_denied")


@pytest.mark.parametrize("said", [None, "", "king", 7, {"viewer": True}])
def test_without_a_role_nothing_is_allowed(service: Service, said: Any) -> None:
    reason, message = service.ask(RSA.sign(claims(bridgx_role=said)))
    assert reason == "permission_denied"
    assert "bridgx_role" in message


def _unsigned() -> str:
    return jwt.encode(claims(), None, algorithm="none", headers={"kid": RSA.kid})


def _signed_with_the_public_key() -> str:
    """The oldest trick: the public key, which everyone knows, as the secret of an HMAC."""
    public = RSA.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT", "kid": RSA.kid}, claims())
    )
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = base64.urlsafe_b64encode(algorithm.sign(header + b"." + body, public)).rstrip(b"=")
    return (header + b"." + body + b"." + signature).decode()


def _changed() -> str:
    header, _, signature = RSA.sign(claims()).split(".")
    other = base64.urlsafe_b64encode(json.dumps(claims(bridgx_role="admin")).encode()).rstrip(b"=").decode()
    return f"{header}.{other}.{signature}"


BAD: dict[str, Callable[[], str]] = {
    "expired": lambda: RSA.sign(claims(exp=int(time.time()) - 60)),
    "not yet": lambda: RSA.sign(claims(nbf=int(time.time()) + 600)),
    "for another": lambda: RSA.sign(claims(aud="someone-else")),
    "of another issuer": lambda: RSA.sign(claims(iss="https://login.example.org/")),
    "without end": lambda: RSA.sign(claims(exp=None)),
    "without audience": lambda: RSA.sign(claims(aud=None)),
    "without issuer": lambda: RSA.sign(claims(iss=None)),
    "without subject": lambda: RSA.sign(claims(sub=None)),
    "with an empty subject": lambda: RSA.sign(claims(sub="")),
    "with a subject that would forge a log line": lambda: RSA.sign(claims(sub="a\nb")),
    "with a subject too long": lambda: RSA.sign(claims(sub="a" * 129)),
    "unsigned": _unsigned,
    "signed with the public key": _signed_with_the_public_key,
    "signed with a shared secret of the set": lambda: jwt.encode(
        claims(), b"s" * 32, algorithm="HS256", headers={"kid": "shared"}
    ),
    "signed by another under a known kid": lambda: STRANGER.sign(claims()),
    "signed by a key of another kid": lambda: RSA.sign(claims(), kid=ELLIPTIC.kid),
    "of an unknown kid": lambda: RSA.sign(claims(), kid="rsa-9"),
    "signed with a key too small": lambda: SMALL.sign(claims()),
    "changed": _changed,
    "no JWT at all": lambda: "a.b.c",
    "for an account that is none": lambda: RSA.sign(claims(bridgx_accounts=["AKIA1"])),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
def test_a_jwt_is_refused_that_is(service: Service, what: str) -> None:
    assert service.ask(BAD[what]())[0] == "token_invalid"


def test_clocks_may_differ_by_the_leeway(service: Service) -> None:
    assert service.ask(RSA.sign(claims(exp=int(time.time()) - 5)))[0] == "ok"


def test_a_jwt_without_a_kid_is_tried_with_every_key_that_fits(service: Service) -> None:
    for key in (RSA, ELLIPTIC):
        token = jwt.encode(claims(), key.private, algorithm=key.algorithm)
        assert service.ask(token)[0] == "ok"


def test_who_is_who_hangs_on_the_subject_and_not_on_a_name(tmp_path: Path, keys_file: Path) -> None:
    settings = {"oidc_name_claim": "email", "oidc_role_claim": "realm_access.roles", "oidc_roles": "ops-team=operator"}
    chosen = Settings(oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks_file=keys_file, **settings)  # type: ignore[arg-type]
    issuer = chosen.issuer()
    assert issuer is not None

    def identity(**changes: Any) -> Any:
        roles = {"roles": ["ops-team", "everyone"]}
        return issuer.identify(RSA.sign(claims(**{"email": "a@example.net", "realm_access": roles, **changes})))

    one, two, renamed = identity(), identity(sub="bob"), identity(email="b@example.net")
    assert (one.name, one.role.word) == ("a@example.net", "operator")
    assert one.name == two.name
    assert one.key != two.key
    assert one.key == renamed.key


def test_a_file_of_keys_is_read_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [RSA.jwk()]}))
    for service in serving(tmp_path, oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks_file=file):
        new = rsa_key("rsa-2")
        assert service.ask(new.sign(claims()))[0] == "token_invalid"
        file.write_text(json.dumps({"keys": [new.jwk()]}))
        assert service.ask(new.sign(claims()))[0] == "ok"
        assert service.ask(RSA.sign(claims()))[0] == "token_invalid"
        file.write_text("half a fi")
        assert service.ask(new.sign(claims(sub="bob")))[0] == "ok"  # the old keys stay


@dataclass
class Login:
    """The issuer's web server, with a clock for whoever asks it."""

    keys: list[dict[str, Any]]
    status: int = 200
    asked: int = 0
    now: float = 0.0
    body: bytes | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self) -> tuple[int, bytes]:
        with self.lock:
            self.asked += 1
        return self.status, self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()


@pytest.fixture
def login() -> Iterator[tuple[Login, str]]:
    login = Login([RSA.jwk()])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = login.answer()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield login, f"http://127.0.0.1:{server.server_port}/jwks"
    server.shutdown()
    server.server_close()
    thread.join()


def issuer_at(login: Login, url: str) -> Issuer:
    return Issuer(IssuerSettings(ISSUER, AUDIENCE), UrlKeys(url, clock=lambda: login.now))


def test_the_keys_of_a_url_are_kept_and_a_new_key_is_asked_for_at_once(login: tuple[Login, str]) -> None:
    where, url = login
    issuer = issuer_at(where, url)
    for _ in range(3):
        assert issuer.identify(RSA.sign(claims())).name == "alice"
    assert where.asked == 1
    new = rsa_key("rsa-2")
    where.keys.append(new.jwk())
    where.now = SHORTEST
    assert issuer.identify(new.sign(claims())).name == "alice"
    assert where.asked == 2


def test_made_up_keys_do_not_bother_the_issuer(login: tuple[Login, str]) -> None:
    where, url = login
    issuer = issuer_at(where, url)
    issuer.identify(RSA.sign(claims()))
    for number in range(50):
        with pytest.raises(TokenInvalid):
            issuer.identify(RSA.sign(claims(), kid=f"made-up-{number}"))
    assert where.asked == 1


@pytest.mark.parametrize("broken", ["status", "redirect", "garbage", "large", "gone"])
def test_the_old_keys_stay_when_the_issuer_is_away(login: tuple[Login, str], broken: str) -> None:
    where, url = login
    issuer = issuer_at(where, url)
    issuer.identify(RSA.sign(claims()))
    where.status = {"status": 503, "redirect": 302}.get(broken, 200)
    where.body = {"garbage": b"<html>", "large": b" " * (1024 * 1024 + 1), "gone": b""}.get(broken)
    where.now = 100 * FRESH
    for _ in range(2):
        with pytest.raises(TokenInvalid):
            issuer.identify(RSA.sign(claims(), kid="unknown"))  # asks, and waits for the answer
        where.now += SHORTEST
        assert issuer.identify(RSA.sign(claims())).name == "alice"
    assert where.asked >= 3


def test_a_key_that_the_issuer_withdraws_is_forgotten(login: tuple[Login, str]) -> None:
    where, url = login
    issuer = issuer_at(where, url)
    issuer.identify(RSA.sign(claims()))
    where.keys[:] = [ELLIPTIC.jwk()]
    where.now = FRESH
    assert issuer.identify(ELLIPTIC.sign(claims())).name == "alice"
    with pytest.raises(TokenInvalid):
        issuer.identify(RSA.sign(claims()))


def test_a_service_follows_its_issuers_url(login: tuple[Login, str], tmp_path: Path) -> None:
    for service in serving(tmp_path, oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks_url=login[1]):
        assert service.ask(RSA.sign(claims()))[0] == "ok"


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"oidc_jwks_url": "https://a.net/k"}, "oidc_audience"),
        ({"oidc_audience": "x"}, "oidc_jwks_file"),
        ({"oidc_audience": "x", "oidc_jwks_file": "f", "oidc_jwks_url": "https://a.net/k"}, "exactly one"),
        ({"oidc_audience": "x", "oidc_jwks_url": "http://login.example.net/k"}, "https"),
        ({"oidc_audience": "x", "oidc_jwks_url": "file:///etc/passwd"}, "https"),
        ({"oidc_audience": "x", "oidc_jwks_url": "https://a.net/k", "oidc_roles": "a=king"}, "king"),
        ({"oidc_audience": "x", "oidc_jwks_url": "https://a.net/k", "oidc_roles": "king"}, "value=role"),
    ],
)
def test_half_an_issuer_is_refused_at_the_start(settings: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        Settings(oidc_issuer=ISSUER, **settings)  # type: ignore[arg-type]
