#!/usr/bin/env bash
# A burst of unary calls against a grpc.aio server, nothing set but the port: some of them end with CANCELLED.
#
# Software: grpcio 1.85.1 on Python 3.11, client and server in two processes on loopback.
# Expected: all 4,000 calls answered, or the surplus refused with RESOURCE_EXHAUSTED or UNAVAILABLE, which clients may retry.
# Seen: between a sixth and a third end with CANCELLED, the code of a call that its own client gave up, although no client did. The handler never
# ran for them. The refusal begins by chance above 1,000 calls that wait for the event loop; the channel arguments
# grpc.server.max_pending_requests and grpc.server.max_pending_requests_hard_limit raise the bounds, after which all are answered.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet grpcio==1.85.1
cat > "$folder/burst.py" <<'PY'
import asyncio
import collections
import subprocess
import sys

import grpc

CALLS = 4000


async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return request


async def serve(raised: bool) -> None:
    options = [("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 2 * CALLS)]
    if raised:
        options += [("grpc.server.max_pending_requests", 10**6), ("grpc.server.max_pending_requests_hard_limit", 10**6)]
    server = grpc.aio.server(options=options)
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", {"m": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


async def burst(port: int) -> collections.Counter:
    seen: collections.Counter = collections.Counter()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.unary_unary("/s/m")
        await method(b"first")

        async def one() -> None:
            try:
                await method(b"x", timeout=60)
                seen["OK"] += 1
            except grpc.aio.AioRpcError as error:
                seen[error.code().name] += 1

        await asyncio.gather(*(one() for _ in range(CALLS)))
    return seen


def run(raised: bool) -> collections.Counter:
    command = [sys.executable, __file__, "serve", *(["raised"] if raised else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            return asyncio.run(burst(int(server.stdout.readline())))
        finally:
            server.kill()


if sys.argv[1:2] == ["serve"]:
    asyncio.run(serve(sys.argv[2:] == ["raised"]))
else:
    plain, raised = run(False), run(True)
    print("as it is:     ", dict(plain))
    print("limits raised:", dict(raised))
    assert plain["CANCELLED"] > 0, "no call was cancelled: the finding no longer holds"
    assert raised == {"OK": CALLS}, "not all were answered with the limits raised"
PY
"$folder/venv/bin/python" "$folder/burst.py"
