"""Messages in both directions by WebSocket, against the same messages as lines: the same method, backend and load, and one
connection for each conversation. What is compared is the gateway's CPU time for a message that comes back."""

from __future__ import annotations

import contextlib
import json
import subprocess

import workloads
from figures import find, middle, ratio
from process import GATEWAY_CORE, LOAD_CORE, Failed, Process, free_ports, pinned
from stage import HERE, fill

KINDS = ("websocket", "lines")
CONNECTIONS = (1, 100, 1_000)
# The most CPU time for a message by WebSocket, as a multiple of that for a line.
MOST = 1.2

# Sockets whose memory is measured, and the most that one may take, in KiB.
IDLE = 5_000
IDLE_MOST = 20

# How many messages make about a second.
MESSAGES = {1: 8_000, 100: 30_000, 1_000: 30_000}


class Scene:
    """A gateway and a backend that sends back what comes. A context: whatever happens, both are ended."""

    def __init__(self, places):
        self.places, self.stack = places, contextlib.ExitStack()
        places.work.mkdir(parents=True, exist_ok=True)
        self.message = places.work / "talk.json"
        self.message.write_bytes(workloads.corpus("mixed_200.json"))

    def __enter__(self):
        grpc, self.port = free_ports(2)
        backend = [str(self.places.parts / "sockets"), "backend", f"127.0.0.1:{grpc}"]
        self.launch(backend, LOAD_CORE, "sockets-backend").wait_for(grpc)
        values = {"port": self.port, "grpc": grpc, "descriptors": HERE / "talk.binpb"}
        config = self.places.work / "sockets.yaml"
        config.write_text(fill((HERE / "config" / "sockets.yaml").read_text(), values))
        command = [str(self.places.bin / "transom"), "serve", "-c", str(config)]
        self.gateway = self.launch(command, GATEWAY_CORE, "sockets-gateway")
        self.gateway.wait_for(self.port)
        return self

    def __exit__(self, *exception):
        self.stack.close()

    def launch(self, command, core, name):
        process = Process(command, core, self.places.work / f"{name}.log")
        self.stack.callback(process.stop)
        return process

    @contextlib.contextmanager
    def load(self, kind, connections, messages):
        """The load, once all its connections are open and have had one message."""
        command = [str(self.places.parts / "sockets"), "load", kind, f"127.0.0.1:{self.port}"]
        command += [str(connections), str(messages), str(self.message)]
        with subprocess.Popen(
            pinned(command, LOAD_CORE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as load:
            try:
                self.expect(load, "ready")
                yield load
            finally:
                with contextlib.suppress(OSError):
                    load.stdin.close()
                if load.poll() is None:
                    load.kill()

    def expect(self, load, word):
        line = load.stdout.readline().split()
        if not line or line[0] != word:
            raise Failed(f"`{' '.join(load.args)}` failed: {load.stderr.read()[-1000:]}")
        return line[1:]

    def cost(self, kind, connections, messages):
        """The gateway's CPU time for each message, in microseconds."""
        messages = messages // connections * connections
        with self.load(kind, connections, messages) as load:
            before = self.gateway.times()[0]
            load.stdin.write("\n")
            load.stdin.flush()
            self.expect(load, "done")
            spent = self.gateway.times()[0] - before
            answer = json.loads(load.stdout.readline())
        if answer != json.loads(self.message.read_bytes()):
            raise Failed(f"By {kind} came another message than was sent: {str(answer)[:200]}")
        return spent / messages * 1e6

    def memory(self):
        """How much memory each of many silent sockets takes, in KiB."""
        with self.load("websocket", 1, 1):
            before = self.gateway.memory()[0]
        with self.load("websocket", IDLE, IDLE):
            return (self.gateway.memory()[0] - before) * 1024 / IDLE


def measure(places, quick=False):
    """The rows, one for each kind and number of connections, in interleaved rounds, and the memory of an idle socket."""
    rows = [{"kind": kind, "connections": count, "cpu": []} for count in CONNECTIONS for kind in KINDS]
    # Of a gateway that has served nobody yet: what others have freed may be used again.
    with Scene(places) as scene:
        idle = scene.memory()
    with Scene(places) as scene:
        for row in rows:
            scene.cost(row["kind"], row["connections"], max(row["connections"], 1_000))
        for turn in range(2 if quick else 7):
            for row in rows if turn % 2 == 0 else rows[::-1]:
                row["cpu"].append(scene.cost(row["kind"], row["connections"], MESSAGES[row["connections"]]))
    return {"rows": rows, "idle": idle}


def section(found):
    """What was measured as Markdown."""
    lines = [
        "## WebSocket",
        "",
        "An order of 219 bytes goes to a bidirectional method and comes back, the next one when the one before has; each",
        "conversation has a connection of its own, over HTTP/1.1. The same messages as lines (NDJSON in a chunked request) are",
        "what a WebSocket is held against.",
        "",
        "| connections | WebSocket, CPU µs for a message | lines | ratio | goal |",
        "|--:|--:|--:|--:|--:|",
    ]
    for count in CONNECTIONS:
        one, two = (find(found["rows"], kind=kind, connections=count) for kind in KINDS)
        against = ratio(one, two)
        lines.append(
            f"| {count:,} | {middle(one, 'cpu'):.1f} | {middle(two, 'cpu'):.1f} |"
            f" {against.middle:.2f} ({against.least:.2f}–{against.most:.2f}) | {MOST}: {reached(against.middle <= MOST)} |"
        )
    kept = found["idle"]
    lines += ["", f"Each of {IDLE:,} silent sockets takes {kept:.1f} KiB (goal {IDLE_MOST}: {reached(kept < IDLE_MOST)})."]
    return "\n".join(lines)


def reached(is_reached):
    return "reached" if is_reached else "**missed**"
