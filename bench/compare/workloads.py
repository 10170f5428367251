"""What is asked of the gateways. Another workload is one more entry in `WORKLOADS`.

The messages are those of the codec's benchmark (`bench/codec/corpus`): nested, repeated, maps, enums, 64-bit integers,
doubles, bytes, timestamps and durations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dialects import CONNECT, CONNECT_JSON, GRPC, GRPC_WEB, REST
from gateways import H1, H2C, OURS, REFERENCE

CORPUS = Path(__file__).parent.parent / "codec" / "corpus"


@dataclass(frozen=True)
class Shape:
    """How many requests are under way at a time, and over what."""

    name: str
    title: str
    protocol: str
    connections: int
    streams: int = 1


H1_1 = Shape("h1-1", "HTTP/1.1, 1 connection", H1, 1)
H1_32 = Shape("h1-32", "HTTP/1.1, 32 connections", H1, 32)
H1_256 = Shape("h1-256", "HTTP/1.1, 256 connections", H1, 256)
H2C_4 = Shape("h2c-32", "HTTP/2, 4 connections of 8 streams", H2C, 4, 8)
H2C_32 = Shape("h2c-32x1", "HTTP/2, 32 connections", H2C, 32)

SHAPES = [H1_1, H1_32, H1_256, H2C_4, H2C_32]
# The shape of most summaries.
MAIN_SHAPE = H1_32


@dataclass(frozen=True)
class Workload:
    """One kind of request. `body` and `answer` are names of `messages()`; without an answer the body is echoed."""

    name: str
    title: str
    method: str
    path: str
    body: str | None = None
    answer: str | None = None
    dialect: str = REST
    shapes: tuple[Shape, ...] = (H1_1, H1_32, H1_256, H2C_4)
    # The shape of the summary, of the goals and of the comparison at an equal rate.
    main: Shape = MAIN_SHAPE
    # The gateways that take part, by name; without any, the usual ones that speak the dialect.
    gateways: tuple[str, ...] = ()
    # Other workloads that our gateway has turns with in the same rounds, each a row `GATEWAY WORKLOAD`.
    beside: tuple[str, ...] = ()
    # The row that the others are measured against.
    reference: str = REFERENCE
    # How many times as many rounds as others it gets, for a difference that is small.
    rounds: int = 1


ORDERS = "/bench.Orders/"
OF_GRPC = {"dialect": GRPC, "shapes": (H2C_4, H2C_32), "main": H2C_4}
OF_WEB = {"shapes": (H1_32, H2C_4)}

WORKLOADS = [
    Workload("get", "small GET", "GET", "/v1/orders/17", answer="order"),
    Workload("post_1k", "POST of 1 KB", "POST", "/v1/orders", body="order_1k", answer="order"),
    Workload("post_64k", "POST of 64 KB", "POST", "/v1/orders", body="order_64k", answer="order"),
    Workload("post_1m", "POST of 1 MB", "POST", "/v1/orders", body="order_1m", answer="order"),
    Workload("list", "list of 64 KB", "GET", "/v1/orders?pageSize=36", answer="orders"),
    Workload("stream", "stream of 1,000, a frame each", "GET", "/v1/orders:watch", answer="stream"),
    Workload("stream_packed", "stream of 1,000, packed", "GET", "/v1/orders:export", answer="stream"),
    Workload("upload", "upload of 1,000", "POST", "/v1/orders:import", body="stream", answer="order"),
    Workload("grpc_118", "gRPC, 118 B each way", "POST", ORDERS + "EchoOrder", body="order_118", **OF_GRPC),
    Workload("grpc_31k", "gRPC, 31 KB each way", "POST", ORDERS + "EchoOrder", body="order_64k", **OF_GRPC),
    Workload(
        "grpc_web",
        "gRPC-Web, 1 KB",
        "POST",
        ORDERS + "CreateOrder",
        body="order_1k",
        answer="order",
        dialect=GRPC_WEB,
        **OF_WEB,
    ),
    Workload(
        "connect",
        "Connect, 1 KB",
        "POST",
        ORDERS + "CreateOrder",
        body="order_1k",
        answer="order",
        dialect=CONNECT,
        **OF_WEB,
    ),
    Workload(
        "connect_json",
        "Connect with JSON, 1 KB",
        "POST",
        ORDERS + "CreateOrder",
        body="order_1k",
        answer="order",
        dialect=CONNECT_JSON,
        beside=("post_1k",),
        reference=f"{OURS} post_1k",
        rounds=2,
        **OF_WEB,
    ),
    Workload(
        "observed",
        "small GET, observed",
        "GET",
        "/v1/orders/17",
        answer="order",
        shapes=(H1_32,),
        gateways=(OURS, "transom_observed", "transom_logged"),
        reference=OURS,
        rounds=4,
    ),
]


def echo(dialect):
    """Sent to every gateway before and after the load: what a message becomes on its way to the backend and back."""
    path = "/v1/orders:echo" if dialect == REST else ORDERS + "EchoOrder"
    return Workload(f"echo_{dialect}", "echo", "POST", path, body="order_64k", dialect=dialect)


@dataclass(frozen=True)
class Goal:
    """The most CPU time for one request, as a multiple of that of another row, in the workload's main shape."""

    workload: str
    against: str
    most: float
    row: str = OURS


GOALS = [
    Goal("get", "envoy", 0.25),
    Goal("post_1k", "envoy", 0.20),
    Goal("post_64k", "envoy", 0.17),
    Goal("list", "envoy", 0.13),
    Goal("stream", "envoy", 0.08),
    Goal("stream_packed", "envoy", 0.08),
    Goal("grpc_118", "envoy", 0.33),
    Goal("grpc_31k", "envoy", 0.80),
    Goal("post_1k", "passthrough", 1.3),
    Goal("get", "nginx", 1.2),
    Goal("connect_json", "transom post_1k", 1.1),
    Goal("observed", "transom", 1.05, row="transom_observed"),
]

# The most memory of an idle gateway, in MiB.
IDLE_MOST = 20


def messages():
    """The JSON of every message by its name."""
    texts = {name: corpus(f"mixed_{name}.json").decode() for name in ("200", "1k", "4k", "64k")}
    return {
        "order": texts["200"].encode(),
        "orders": compact({"orders": [json.loads(texts[name]) for name in LISTED]}),
        "order_118": compact(json.loads(texts["200"]) | {"note": NOTE}),
        "order_1k": texts["1k"].encode(),
        "order_64k": texts["64k"].encode(),
        "order_1m": order(1_000_000),
        # An element on each line, where the backend cuts it.
        "stream": b"[" + b",\n".join([texts["200"].encode()] * STREAMED) + b"]",
    }


def wires():
    """The wire bytes of messages by the name of their JSON: one each, or those of a stream."""
    order = corpus("mixed_200.wire")
    listed = b"".join(field(1, corpus(f"mixed_{name}.wire")) for name in LISTED)
    return {
        "order": [order],
        "orders": [listed],
        "order_118": [order + field(14, NOTE.encode())],
        "order_1k": [corpus("mixed_1k.wire")],
        "order_64k": [corpus("mixed_64k.wire")],
        "stream": [order] * STREAMED,
    }


# Makes the small order 118 bytes.
NOTE = "ring at the side door; if nobody is there, ask next door, "
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
