"""The comparison: every workload in every shape through every gateway, in interleaved rounds."""

import socket
import sys

import load
from dialects import REST
from gateways import GATEWAYS, H1, REFERENCE
from process import Failed
from stage import Stage

# Idle connections whose memory is compared.
IDLE_CONNECTIONS = 256


def compare(places, settings):
    """Measures; returns the rows, memory and latencies as plain values that can be written as JSON."""
    found = {"rows": [], "paced": [], "memory": [], "idle": idle(places, settings)}
    for workload in settings.workloads:
        with Stage(places) as stage:
            contenders = stage.contenders(workload, settings.gateways)
            wrong = {each.name: stage.wrong(each) for each in contenders}
            rows = [row for shape in workload.shapes for row in measure(stage, contenders, workload, shape, settings)]
            paced = equal_rate(stage, contenders, workload, rows, settings)
            for each in contenders:
                wrong[each.name] = wrong[each.name] or stage.wrong(each) or unseen(each.running)
                if each.workload is workload:
                    peak = each.running.process.memory()[1]
                    found["memory"].append({"workload": workload.name, "gateway": each.name, "peak": peak})
            for row in rows + paced:
                row["failed"] = wrong[row["gateway"]] or errors(row)
            found["rows"] += rows
            found["paced"] += paced
    return found


def errors(row):
    count = sum(row["errors"])
    return f"{count} requests failed" if count else None


def unseen(running):
    """What is wrong with the traces of a gateway that has metrics, or None."""
    if not running.gateway.scraped:
        return None
    spans = {
        line.split('outcome="')[1].split('"')[0]: float(line.split()[-1])
        for line in running.metrics().splitlines()
        if line.startswith("transom_trace_spans_total{")
    }
    return None if spans.get("exported") and sum(spans.values()) == spans["exported"] else f"of spans came {spans}"


def measure(stage, contenders, workload, shape, settings):
    """One row for each contender that speaks the shape's protocol; all take turns in each round."""
    able = [each for each in contenders if each.speaks(shape.protocol)]
    pace = settings.pace if shape == workload.main else settings.other_pace
    counts = {each.name: calibrate(stage, each, shape, pace.seconds, settings.log) for each in able}
    rows = {name: new_row(workload, shape, name) for name in counts}
    rounds = pace.rounds * workload.rounds
    for turn in range(rounds):
        # Another one begins each time.
        first = turn % len(able) if able else 0
        for each in able[first:] + able[:first]:
            add(rows[each.name], *timed(stage, each, shape, counts[each.name], settings.log))
        say(f"{workload.title}, {shape.title}, round {turn + 1} of {rounds}", rows.values())
    return list(rows.values())


def calibrate(stage, contender, shape, seconds, log):
    """How many requests take about `seconds`; a warm-up at the same time."""
    clients = shape.connections * shape.streams
    count, target = 2 * clients, contender.running.target(contender.workload, shape, stage.bodies)
    while True:
        seen = load.run(target, shape, count, log)
        if seen.errors:
            # The row fails whatever the number is.
            return 2 * clients
        if seen.seconds >= seconds / 5:
            return max(2 * clients, int(seen.rate * seconds))
        count = int(count * min(8, max(2, seconds / 4 / seen.seconds)))


def timed(stage, contender, shape, count, log, rate=None):
    """What one run of the load saw, the gateway's CPU time for each request, in microseconds, and which part of the
    time it waited for its core."""
    running, workload = contender.running, contender.workload
    ran, waited = running.process.times()
    seen = load.run(running.target(workload, shape, stage.bodies), shape, count, log, rate)
    if running.gateway.scraped:
        running.metrics()
    ran_then, waited_then = running.process.times()
    # A call of gRPC can fail with status 200, but not with a message as long as the one that is expected.
    if seen.data != count * running.lengths.get(workload.name, 0):
        seen.errors = seen.errors or count
    return seen, (ran_then - ran) / count * 1e6, (waited_then - waited) / seen.seconds


def equal_rate(stage, contenders, workload, rows, settings):
    """The latencies of all at the same rate: half of what the slowest one can. Nothing without the reference."""
    able = [each for each in contenders if each.speaks(workload.main.protocol)]
    if REFERENCE not in [each.name for each in able]:
        return []
    most = [max(row["rate"]) for row in rows if row["shape"] == workload.main.name]
    rate = min(most) / 2
    count = max(4 * workload.main.connections, int(rate * settings.other_pace.seconds))
    paced = {each.name: new_row(workload, workload.main, each.name) for each in able}
    for _ in range(settings.other_pace.rounds):
        for each in able:
            add(paced[each.name], *timed(stage, each, workload.main, count, settings.log, rate))
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
            if not gateway.usual or REST not in gateway.speaks:
                continue
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
