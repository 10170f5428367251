"""What is asked of the gateways. Another workload is one more entry in `WORKLOADS`.

The messages are those of the codec's benchmark (`bench/codec/corpus`): nested, repeated, maps, enums, 64-bit integers,
doubles, bytes, timestamps and durations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from gateways import H1, H2C

CORPUS = Path(__file__).parent.parent / "codec" / "corpus"


@dataclass(frozen=True)
class Shape:
    """How many requests are under way at a time, and over what."""

    name: str
    title: str
    protocol: str
    connections: int
    streams: int = 1


@dataclass(frozen=True)
class Workload:
    """One kind of request. `body` and `answer` are names of `messages()`; without an answer the body is echoed."""

    name: str
    title: str
    method: str
    path: str
    body: str | None = None
    answer: str | None = None


SHAPES = [
    Shape("h1-1", "HTTP/1.1, 1 connection", H1, 1),
    Shape("h1-32", "HTTP/1.1, 32 connections", H1, 32),
    Shape("h1-256", "HTTP/1.1, 256 connections", H1, 256),
    Shape("h2c-32", "HTTP/2, 4 connections of 8 streams", H2C, 4, 8),
]
# The shape of the summary and of the comparison at an equal rate.
MAIN_SHAPE = SHAPES[1]

WORKLOADS = [
    Workload("get", "small GET", "GET", "/v1/orders/17", answer="order"),
    Workload("post_1k", "POST of 1 KB", "POST", "/v1/orders", body="order_1k", answer="order"),
    Workload("post_64k", "POST of 64 KB", "POST", "/v1/orders", body="order_64k", answer="order"),
    Workload("post_1m", "POST of 1 MB", "POST", "/v1/orders", body="order_1m", answer="order"),
    Workload("list", "list of 64 KB", "GET", "/v1/orders?pageSize=36", answer="orders"),
    Workload("stream", "stream of 1,000, a frame each", "GET", "/v1/orders:watch", answer="stream"),
    Workload("stream_packed", "stream of 1,000, packed", "GET", "/v1/orders:export", answer="stream"),
    Workload("upload", "upload of 1,000", "POST", "/v1/orders:import", body="stream", answer="order"),
]

# Sent to every gateway before and after the load: what JSON becomes on its way to the backend and back.
ECHO = Workload("echo", "echo", "POST", "/v1/orders:echo", body="order_64k")


@dataclass(frozen=True)
class Goal:
    """The most CPU time for one request, as a multiple of another gateway's, in the main shape."""

    workload: str
    against: str
    most: float


GOALS = [
    Goal("get", "envoy", 0.25),
    Goal("post_1k", "envoy", 0.20),
    Goal("post_64k", "envoy", 0.17),
    Goal("list", "envoy", 0.13),
    Goal("stream", "envoy", 0.08),
    Goal("stream_packed", "envoy", 0.08),
    Goal("post_1k", "passthrough", 1.3),
    Goal("get", "nginx", 1.2),
]

# The most memory of an idle gateway, in MiB.
IDLE_MOST = 20


def messages():
    """The JSON of every message by its name."""
    texts = {name: corpus(f"mixed_{name}.json").decode() for name in ("200", "1k", "4k", "64k")}
    return {
        "order": texts["200"].encode(),
        "orders": compact({"orders": [json.loads(texts[name]) for name in LISTED]}),
        "order_1k": texts["1k"].encode(),
        "order_64k": texts["64k"].encode(),
        "order_1m": order(1_000_000),
        # An element on each line, where the backend cuts it.
        "stream": b"[" + b",\n".join([texts["200"].encode()] * STREAMED) + b"]",
    }


def answers():
    """What the backend has ready: the wire bytes of each message of an answer, by the name of its JSON."""
    order = corpus("mixed_200.wire")
    listed = b"".join(field(1, corpus(f"mixed_{name}.wire")) for name in LISTED)
    return {"order": [order], "orders": [listed], "stream": [order] * STREAMED}


# The orders of the list.
LISTED = ("200", "1k", "4k") * 12
# How many orders a stream has.
STREAMED = 1_000


def order(size):
    """An order whose JSON has about `size` bytes: the smallest one of the corpus with as many items as it takes."""
    made = json.loads(corpus("mixed_200.json"))
    items = json.loads(corpus("mixed_64k.json"))["items"]
    lengths = [len(compact(item)) + 1 for item in items]
    if size < len(compact(made)):
        made = {"id": made["id"], "customerName": made["customerName"], "total": made["total"]}
    total, taken = len(compact(made)), []
    while total + lengths[len(taken) % len(items)] <= size:
        total += lengths[len(taken) % len(items)]
        taken.append(items[len(taken) % len(items)])
    return compact(made | {"items": taken} if taken else made)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def corpus(name):
    return (CORPUS / name).read_bytes()


def field(number, content):
    """A length-delimited field of the protobuf wire format."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def grpc(wires):
    """Messages as gRPC sends them, one behind the other."""
    return b"".join(b"\0" + len(wire).to_bytes(4, "big") + wire for wire in wires)


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
