"""Clients that mean harm, by hand on the wire, and one that means well while they are at it. All on loopback, all bounded."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Frame(NamedTuple):
    """What a frame of HTTP/2 is, and what it holds."""

    kind: int
    payload: bytes
    flags: int = 0
    stream: int = 0


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
REFUSED_STREAM, ENHANCE_YOUR_CALM = 7, 11

CALL = "/bridgx.v1.ClusterService/ListClusters"


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header_block(path: str, *further: tuple[str, str]) -> bytes:
    """A gRPC call's headers, as HPACK literals."""
    block = b""
    for name, value in (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        *further,
    ):
        block += b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return block


def headers_alone(path: str, count: int, *further: tuple[str, str]) -> bytes:
    """So many calls of which nothing but the headers comes."""
    block = header_block(path, *further)
    return b"".join(frame(HEADERS, END_HEADERS, 2 * number + 1, block) for number in range(count))


def ended(frames: list[Frame]) -> set[int]:
    """The streams that the server has ended."""
    return {
        row.stream
        for row in frames
        if row.kind == RST_STREAM or (row.kind in (HEADERS, DATA) and row.flags & END_STREAM)
    }


def malformed() -> dict[str, bytes]:
    """What a server of HTTP/2 may be sent after the preface, by name."""
    call = header_block(CALL)
    cancel = b"\x00\x00\x00\x08"
    return {
        "a frame too long": b"\xff\xff\xff" + bytes([DATA, 0]) + b"\x00\x00\x00\x01" + b"x" * 20_000,
        "headers that are no headers": frame(HEADERS, END_HEADERS, 1, b"\xff" * 100),
        "data of no stream": frame(DATA, 0, 0, b"x"),
        "an even stream": frame(HEADERS, END_HEADERS, 2, call),
        "a window beyond all": frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
        "settings that are none": frame(SETTINGS, 0, 0, b"xyz"),
        "a continuation of nothing": frame(CONTINUATION, END_HEADERS, 1, call),
        "headers without end": frame(HEADERS, 0, 1, call)
        + frame(CONTINUATION, 0, 1, b"\x00\x01a\x7f" + b"b" * 127) * 20_000,
        "pings without end": frame(PING, 0, 0, b"12345678") * 50_000,
        "settings without end": frame(SETTINGS) * 50_000,
        "calls that are taken back at once": b"".join(
            frame(HEADERS, END_HEADERS, 2 * number + 1, call) + frame(RST_STREAM, 0, 2 * number + 1, cancel)
            for number in range(5_000)
        ),
        "empty data without end": frame(HEADERS, END_HEADERS, 1, call) + frame(DATA, 0, 1) * 50_000,
        "a message that never comes": frame(HEADERS, END_HEADERS, 1, call) + frame(DATA, 0, 1, b"\x00\x00\x0f\xff\xff"),
        "a message longer than any": frame(HEADERS, END_HEADERS, 1, call) + frame(DATA, 0, 1, b"\x00\xff\xff\xff\xff"),
    }


def opened() -> bytes:
    """What a client says first."""
    return PREFACE + frame(SETTINGS)


def opened_without_a_window() -> bytes:
    """The same of one that takes no byte of any answer (SETTINGS_INITIAL_WINDOW_SIZE = 0)."""
    return PREFACE + frame(SETTINGS, payload=struct.pack(">HI", 4, 0))


def call(path: str, stream: int, message: bytes, *further: tuple[str, str]) -> bytes:
    """A call with its one message."""
    content = b"\x00" + struct.pack(">I", len(message)) + message
    return frame(HEADERS, END_HEADERS, stream, header_block(path, *further)) + frame(DATA, END_STREAM, stream, content)


def connected(port: int) -> socket.socket:
    """A connection that no test waits on for long."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def send(connection: socket.socket, content: bytes) -> bool:
    """Whether the other side still took it."""
    try:
        connection.sendall(content)
    except OSError:
        return False
    return True


def until_closed(connection: socket.socket, most: int = 64 * 1024 * 1024) -> bytes:
    """Everything that comes until the other side ends the connection. Fails when it does not, in 30 s."""
    received = b""
    while len(received) < most:
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            raise AssertionError(f"the connection was not ended; it said {received[-200:]!r}") from None
        except OSError:
            return received
        if not piece:
            return received
        received += piece
    raise AssertionError("the other side sends without end")


def frames_until(connection: socket.socket, enough: Callable[[list[Frame]], bool]) -> list[Frame]:
    """The frames that come, until they are enough. Fails when the connection ends before, or nothing comes in 30 s."""
    received, frames = b"", list[Frame]()
    while not enough(frames):
        piece = connection.recv(65536)
        assert piece, f"the connection was ended after {[frame.kind for frame in frames]}"
        received += piece
        while len(received) >= 9 and len(received) >= 9 + (length := int.from_bytes(received[:3], "big")):
            stream = int.from_bytes(received[5:9], "big")
            frames.append(Frame(received[3], received[9 : 9 + length], received[4], stream))
            received = received[9 + length :]
    return frames


class Healthy:
    """A client that asks one thing after another all the while; ``ask`` raises when the answer is not right."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answers = 0
        self.failure: BaseException | None = None

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._ask()
            except BaseException as error:
                self.failure = error
                return
            self.answers += 1
            self._ended.wait(0.01)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(120)

    def gets_answers(self, count: int = 10) -> None:
        """Returns when that many further answers have come."""
        wanted = self.answers + count
        hung = time.monotonic() + 120  # only bounds a test that would otherwise hang
        while self.answers < wanted:
            assert self.failure is None, self.failure
            assert time.monotonic() < hung, "the healthy client waits"
            time.sleep(0.01)


@contextlib.contextmanager
def healthy(ask: Callable[[], object]) -> Iterator[Healthy]:
    """A healthy client for the block. It has had answers before the block begins, and has had no failure at its end."""
    client = Healthy(ask)
    client.start()
    client.gets_answers(1)
    try:
        yield client
    finally:
        client.end()
    assert client.failure is None, client.failure
