"""The comparison: every workload in every shape through every gateway, in interleaved rounds."""

import socket
import sys

import load
from gateways import GATEWAYS, H1
from process import Failed
from stage import Stage
from workloads import MAIN_SHAPE, SHAPES

# Idle connections whose memory is compared.
IDLE_CONNECTIONS = 256


def compare(places, settings):
    """Measures; returns the rows, memory and latencies as plain values that can be written as JSON."""
    found = {"rows": [], "paced": [], "memory": [], "idle": idle(places, settings)}
    for workload in settings.workloads:
        with Stage(places) as stage:
            running = [stage.start(gateway) for gateway in settings.gateways]
            wrong = {each.gateway.name: stage.wrong(each, workload) for each in running}
            rows = [row for shape in SHAPES for row in measure(stage, running, workload, shape, settings)]
            paced = equal_rate(stage, running, workload, rows, settings)
            for each in running:
                name = each.gateway.name
                wrong[name] = wrong[name] or stage.wrong(each, workload)
                peak = each.process.memory()[1]
                found["memory"].append({"workload": workload.name, "gateway": name, "peak": peak})
            for row in rows + paced:
                row["failed"] = wrong[row["gateway"]] or errors(row)
            found["rows"] += rows
            found["paced"] += paced
    return found


def errors(row):
    count = sum(row["errors"])
    return f"{count} requests failed" if count else None


def measure(stage, running, workload, shape, settings):
    """One row for each gateway that speaks the shape's protocol; all take turns in each round."""
    able = [each for each in running if shape.protocol in each.ports]
    counts = {
        each.gateway.name: calibrate(stage, each, workload, shape, settings.seconds, settings.log)
        for each in able
    }
    rows = {name: new_row(workload, shape, name) for name in counts}
    for turn in range(settings.rounds):
        # Another one begins each time.
        for each in able[turn % len(able) :] + able[: turn % len(able)]:
            name = each.gateway.name
            add(rows[name], *timed(stage, each, workload, shape, counts[name], settings.log))
        say(f"{workload.title}, {shape.title}, round {turn + 1} of {settings.rounds}", rows.values())
    return list(rows.values())


def calibrate(stage, running, workload, shape, seconds, log):
    """How many requests take about `seconds`; a warm-up at the same time."""
    clients = shape.connections * shape.streams
    count, target = 2 * clients, running.target(workload, shape, stage.bodies)
    while True:
        seen = load.run(target, shape, count, log)
        if seen.errors:
            # The row fails whatever the number is.
            return 2 * clients
        if seen.seconds >= seconds / 5:
            return max(2 * clients, int(seen.rate * seconds))
        count = int(count * min(8, max(2, seconds / 4 / seen.seconds)))


def timed(stage, running, workload, shape, count, log, rate=None):
    """What one run of the load saw, the gateway's CPU time for each request, in microseconds, and which part of the
    time it waited for its core."""
    ran, waited = running.process.times()
    seen = load.run(running.target(workload, shape, stage.bodies), shape, count, log, rate)
    ran_then, waited_then = running.process.times()
    return seen, (ran_then - ran) / count * 1e6, (waited_then - waited) / seen.seconds


def equal_rate(stage, running, workload, rows, settings):
    """The latencies of all at the same rate: half of what the slowest one can."""
    able = [each for each in running if MAIN_SHAPE.protocol in each.ports]
    most = [max(row["rate"]) for row in rows if row["shape"] == MAIN_SHAPE.name]
    rate = min(most) / 2
    count = max(4 * MAIN_SHAPE.connections, int(rate * settings.seconds))
    paced = {each.gateway.name: new_row(workload, MAIN_SHAPE, each.gateway.name) for each in able}
    for _ in range(settings.rounds):
        for each in able:
            add(
                paced[each.gateway.name], *timed(stage, each, workload, MAIN_SHAPE, count, settings.log, rate)
            )
    say(f"{workload.title} at {rate:.0f} requests/s", paced.values())
    return list(paced.values())


def new_row(workload, shape, gateway):
    lists = {key: [] for key in ("cpu", "waited", "rate", "p50", "p99", "p999", "errors")}
    return {"workload": workload.name, "shape": shape.name, "gateway": gateway, **lists}


def add(row, seen, cpu, waited):
    row["cpu"].append(cpu)
    row["waited"].append(waited)
    for key in ("rate", "p50", "p99", "p999", "errors"):
        row[key].append(getattr(seen, key))


def idle(places, settings):
    """Memory of each gateway after one request, and with idle connections that were used once."""
    found = []
    with Stage(places) as stage:
        for gateway in settings.gateways:
            running = stage.start(gateway)
            row = {"gateway": gateway.name}
            for connections in (1, IDLE_CONNECTIONS):
                row[str(connections)] = memory_with(running, connections)
            found.append(row)
            running.process.stop()
    return found


def memory_with(running, connections):
    """Resident memory in MiB while so many connections are open, each of which had a request answered."""
    open_ones = []
    try:
        for _ in range(connections):
            open_ones.append(used_connection(running.ports[H1]))
        return running.process.memory()[0]
    except OSError as error:
        raise Failed(
            f"{running.gateway.title} took {len(open_ones)} of {connections} connections: {error}."
        ) from None
    finally:
        for each in open_ones:
            each.close()


def used_connection(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(b"GET /v1/orders/17 HTTP/1.1\r\nhost: localhost\r\n\r\n")
    received = b""
    # The answer is one JSON object and ends with its brace.
    while not received.endswith(b"}"):
        more = connection.recv(65536)
        if not more:
            raise Failed(f"A connection was closed; it had sent {received[:200]!r}.")
        received += more
    return connection


def say(what, rows, unit="us"):
    """Tells on standard error how far it is."""
    figures = ", ".join(f"{row['gateway']} {row['cpu'][-1]:.1f}" for row in rows)
    print(f"{what}: {figures} {unit}", file=sys.stderr, flush=True)


def chosen(names, entries, what):
    """The entries with these names; all if none is named."""
    known = {entry.name: entry for entry in entries}
    for name in names:
        if name not in known:
            raise Failed(f"There is no {what} `{name}`; there are {', '.join(known)}.")
    return [entry for entry in entries if not names or entry.name in names]


def chosen_gateways(names):
    return chosen(names, GATEWAYS, "gateway")
