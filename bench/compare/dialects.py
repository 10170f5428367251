"""How the messages of a workload are written and its answers are read. Another dialect is one more entry here.

What the load sends is also sent once before and once after it by a client that looks at the answer: Python's own for
what is plain HTTP, grpcio for gRPC.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import answers

SECONDS = 30


class Refused(Exception):
    """A request was not answered as it should be; the text says how instead."""


@dataclass(frozen=True)
class Answered:
    """A message, and how long the body was that brought it."""

    message: bytes
    length: int


@dataclass(frozen=True)
class Dialect:
    name: str
    # The fields of a request that has a body.
    headers: dict[str, str]
    # The forms of the messages in the request's body and in the answer, once that is read: `json`, `wire`, or `grpc`,
    # which is wire behind gRPC's prefix.
    sent: str
    read: str
    # Asks for the answer to a target.
    ask: Callable
    # Whether two messages mean the same.
    same: Callable


def plain(target, headers):
    """What HTTP itself brings: a body, and a status that must be 200."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=SECONDS)
    body = None if target.body is None else Path(target.body).read_bytes()
    try:
        connection.request(target.method, target.path, body, {} if body is None else headers)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"was not answered: {error!r}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise Refused(f"was answered with status {response.status}: {answer[:200]!r}")
    return Answered(answer, len(answer))


def grpc(target, _headers):
    """The message of a unary call, whose status must be OK."""
    # Only those who measure have it; the tests of what is calculated run without.
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{target.port}") as channel:
        call = channel.unary_unary(target.path)
        try:
            message = call(Path(target.body).read_bytes()[PREFIX:], timeout=SECONDS)
        except grpc.RpcError as error:
            raise Refused(f"was answered with {error.code()}: {error.details()}") from None
    return Answered(message, PREFIX + len(message))


def grpc_web(target, headers):
    """The message of a unary call; behind it must come trailers that say OK."""
    answer = plain(target, headers)
    frames = list(envelopes(answer.message))
    if [flags for flags, _ in frames] != [0, TRAILERS]:
        raise Refused(f"was answered with other frames than a message and trailers: {answer.message[:200]!r}")
    fields = dict(line.split(b":", 1) for line in frames[1][1].lower().split(b"\r\n") if line)
    if fields.get(b"grpc-status", b"").strip() != b"0":
        raise Refused(f"was answered with the trailers {frames[1][1][:200]!r}")
    return Answered(frames[0][1], answer.length)


# What stands before each message of gRPC: flags, and a length in four bytes.
PREFIX = 5
# The flags of gRPC-Web's trailers.
TRAILERS = 0x80


def envelopes(data):
    """The flags and the content of each envelope."""
    while data:
        length = int.from_bytes(data[1:PREFIX], "big")
        if len(data) < PREFIX + length:
            raise Refused(f"was answered with an envelope that is cut: {data[:200]!r}")
        yield data[0], data[PREFIX : PREFIX + length]
        data = data[PREFIX + length :]


def equal(one, other):
    return one == other


REST = "rest"
GRPC = "grpc"
GRPC_WEB = "grpc_web"
CONNECT = "connect"
CONNECT_JSON = "connect_json"

DIALECTS = {
    dialect.name: dialect
    for dialect in [
        Dialect(REST, {"content-type": "application/json"}, "json", "json", plain, answers.same),
        Dialect(GRPC, {"content-type": "application/grpc", "te": "trailers"}, "grpc", "wire", grpc, equal),
        Dialect(GRPC_WEB, {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}, "grpc", "wire", grpc_web, equal),
        Dialect(
            CONNECT,
            {"content-type": "application/proto", "connect-protocol-version": "1"},
            "wire",
            "wire",
            plain,
            equal,
        ),
        Dialect(
            CONNECT_JSON,
            {"content-type": "application/json", "connect-protocol-version": "1"},
            "json",
            "json",
            plain,
            answers.same,
        ),
    ]
}
