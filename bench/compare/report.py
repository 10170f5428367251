"""The comparison as Markdown. What was lost is written like what was won."""

from statistics import median

from figures import find, middle, ratio, verdicts
from gateways import GATEWAYS, OURS, REFERENCE
from workloads import GOALS, IDLE_MOST, MAIN_SHAPE, SHAPES, WORKLOADS

TITLES = {gateway.name: gateway.title for gateway in GATEWAYS}
USUAL = [gateway.name for gateway in GATEWAYS if gateway.usual]
WORKLOAD_TITLES = {workload.name: workload.title for workload in WORKLOADS}
MAIN_SHAPES = {workload.name: workload.main.name for workload in WORKLOADS}
# What the main shapes have in common.
MAIN = f"{MAIN_SHAPE.title}, for gRPC HTTP/2 with 4 connections of 8 streams"


def title(row):
    """What the row of a gateway is called, also where it is asked for another workload than the others."""
    gateway, _, workload = row.partition(" ")
    return f"{TITLES[gateway]}, {WORKLOAD_TITLES[workload]}" if workload else TITLES[gateway]


def markdown(found, command):
    """The whole document."""
    parts = [
        introduction(found, command),
        "## In short\n\n" + short(found),
        summary(found),
        workloads(found),
        paced(found),
        memory(found),
        method(found),
    ]
    return "\n".join(part.strip() + "\n" for part in parts)


def introduction(found, command):
    machine = found["machine"]
    versions = ", ".join(
        f"{TITLES[name].split(' (')[0]} {text}" for name, text in machine["versions"].items()
    )
    return f"""
# Benchmarks

Made by `{command}` on {machine["date"]}, of {machine["commit"]}; all of it is written anew by that command.
{where(machine)} {waited(found["rows"])}
{versions}, h2load {machine["h2load"]}.

CPU time is that of the gateway's process alone, user and system, all threads. Absolute times belong to this
machine; ratios were taken within the same round of the same run and hold elsewhere. They are medians, with the least and
the most in brackets, over {pace(found["pace"])} with 32 requests under way and {pace(found["other_pace"])} otherwise;
less than 1 is better for Transom.

![CPU time for each request](benchmarks.svg)
"""


def pace(of):
    return f"{of['rounds']} rounds of about {of['seconds']:g} s"


def short(found):
    """The table of the README: one line in the main shape for each workload that others could have as well."""
    others = [name for name in USUAL if name != OURS and find(found["rows"], gateway=name)]
    lines = [
        f"{MAIN}; CPU time for a request, against others in the same run; p99 at the same rate; peak memory.\n",
        "| workload | CPU µs |"
        + "".join(f" against {TITLES[name]} |" for name in others)
        + f" p99 ms, {TITLES[REFERENCE]}'s | peak MiB, {TITLES[REFERENCE]}'s |",
        "|---|--:|" + "--:|" * len(others) + "--:|--:|",
    ]
    for name in [workload.name for workload in WORKLOADS if not workload.gateways]:
        one = find(found["rows"], workload=name, shape=MAIN_SHAPES[name], gateway=OURS)
        if one is None:
            continue
        cells = [WORKLOAD_TITLES[name], "**failed**" if one["failed"] else f"{middle(one, 'cpu'):.0f}"]
        for other in others:
            two = find(found["rows"], workload=name, shape=MAIN_SHAPES[name], gateway=other)
            against = None if two is None or one["failed"] or two["failed"] else ratio(one, two)
            cells.append("–" if against is None else f"{against.middle:.2f}")
        cells.append(both(found["paced"], name, lambda row: f"{middle(row, 'p99'):.1f}"))
        cells.append(both(found["memory"], name, lambda row: f"{row['peak']:.0f}"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def both(rows, workload, form):
    """A figure of ours and of the reference."""
    values = [find(rows, workload=workload, gateway=name) for name in (OURS, REFERENCE)]
    return ", ".join("–" if row is None or row.get("failed") else form(row) for row in values)


def where(machine):
    kind = "virtual cores" if machine["virtual"] else "cores"
    return (
        f"{machine['cpu']}, {machine['cores']} {kind}, {machine['memory']} GB, Linux {machine['kernel']}. "
        f"Others used {machine['busy']:.0%} of its cores when it began."
    )


def waited(rows):
    """How much others disturbed: a gateway alone on its core never waits for it."""
    each = [part for row in rows for part in row["waited"]]
    return f"In its rounds a gateway waited for its core {median(each):.1%} of the time, {max(each):.1%} at worst."


def summary(found):
    """Every goal with what came of it."""
    lines = [
        f"## The goals\n\nOf Transom, {MAIN}; ratios to what is named.\n",
        "| what | against | measured | goal | |",
        "|---|---|---|---|---|",
    ]
    for verdict in verdicts(found["rows"], GOALS, MAIN_SHAPES):
        goal = verdict.goal
        outcome = verdict.failed or ("not measured" if verdict.ratio is None else said(verdict.reached))
        what = f"CPU time, {WORKLOAD_TITLES[goal.workload]}"
        what += "" if goal.row == OURS else f" ({title(goal.row)})"
        measured = written(verdict.ratio)
        lines.append(f"| {what} | {title(goal.against)} | {measured} | at most {goal.most:g} | {outcome} |")
    return "\n".join(lines + latency_goals(found) + memory_goals(found))


def latency_goals(found):
    """At the same rate, p99 shall be below the reference's."""
    lines = []
    for name, workload in WORKLOAD_TITLES.items():
        one, two = (find(found["paced"], workload=name, gateway=gateway) for gateway in (OURS, REFERENCE))
        if one and two and not one["failed"] and not two["failed"]:
            part = middle(one, "p99") / middle(two, "p99")
            begin = f"| p99 at the same rate, {workload} | {TITLES[REFERENCE]} | {part:.2f}"
            lines.append(f"{begin} | below 1 | {said(part < 1)} |")
    return lines


def memory_goals(found):
    """Idle, memory shall be small; with many connections below the reference's."""
    one, two = (find(found["idle"], gateway=gateway) for gateway in (OURS, REFERENCE))
    if not one:
        return []
    least, most = [key for key in one if key != "gateway"]
    reached = said(one[least] < IDLE_MOST)
    lines = [f"| memory, idle | – | {one[least]:.1f} MiB | below {IDLE_MOST} MiB | {reached} |"]
    if two:
        part = one[most] / two[most]
        begin = f"| memory, {most} idle connections | {TITLES[REFERENCE]} | {part:.2f}"
        lines.append(f"{begin} | below 1 | {said(part < 1)} |")
    return lines


def said(reached):
    return "reached" if reached else "**missed**"


def workloads(found):
    lines = [
        "## Every workload\n\nAs fast as each can. Load and backend share the second core and often are what bounds "
        "the requests per second."
    ]
    for workload in WORKLOADS:
        rows = [row for row in found["rows"] if row["workload"] == workload.name]
        if rows:
            lines += [
                f"\n### {workload.title[0].upper()}{workload.title[1:]}\n",
                f"| | gateway | CPU µs | against {title(workload.reference)} | requests/s | p50 ms | p99 ms | p99.9 ms |",
                "|---|---|--:|---|--:|--:|--:|--:|",
            ]
            ordered = [row for shape in SHAPES for row in rows if row["shape"] == shape.name]
            lines += [line(row, find(rows, gateway=workload.reference, shape=row["shape"])) for row in ordered]
    return "\n".join(lines)


def line(row, reference):
    shape = next(shape.title for shape in SHAPES if shape.name == row["shape"])
    begin = f"| {shape} | {title(row['gateway'])} |"
    if row["failed"]:
        return f"{begin} **failed** | {row['failed']} | | | | |"
    return (
        f"{begin} {middle(row, 'cpu'):.1f} | {written(ratio(row, reference))} | {middle(row, 'rate'):,.0f} "
        f"| {' | '.join(millis(row, key) for key in ('p50', 'p99', 'p999'))} |"
    )


def paced(found):
    lines = [
        f"""
## Latency at the same rate

{MAIN} in sum, sending half as many requests per second as the slowest of the gateways can answer.

| workload | gateway | requests/s | p50 ms | p99 ms | p99.9 ms | CPU µs |
|---|---|--:|--:|--:|--:|--:|"""
    ]
    for row in found["paced"]:
        begin = f"| {WORKLOAD_TITLES[row['workload']]} | {title(row['gateway'])} |"
        if row["failed"]:
            lines.append(f"{begin} **failed** | {row['failed']} | | | |")
        else:
            latencies = " | ".join(millis(row, key) for key in ("p50", "p99", "p999"))
            lines.append(f"{begin} {middle(row, 'rate'):,.0f} | {latencies} | {middle(row, 'cpu'):.1f} |")
    return "\n".join(lines)


def memory(found):
    gateways = [row["gateway"] for row in found["idle"]]
    counts = [key for key in found["idle"][0] if key != "gateway"] if gateways else []
    lines = [
        "## Memory\n\nMiB resident: idle with open connections that had one request each, and the peak after all shapes "
        "of a workload.\n",
        "| |" + "".join(f" {TITLES[name]} |" for name in gateways),
        "|---|" + "--:|" * len(gateways),
    ]
    for count in counts:
        plural = "" if count == "1" else "s"
        lines.append(memory_line(f"idle, {count} connection{plural}", [row[count] for row in found["idle"]]))
    for name, workload in WORKLOAD_TITLES.items():
        peaks = [find(found["memory"], workload=name, gateway=gateway) for gateway in gateways]
        if any(peaks):
            lines.append(memory_line(workload, [peak and peak["peak"] for peak in peaks]))
    return "\n".join(lines)


def memory_line(begin, values):
    return f"| {begin} |" + "".join(" – |" if value is None else f" {value:.1f} |" for value in values)


def method(found):
    return """
## How it is measured

- The gateway is pinned to one core and, where it can be told, has one worker; load and backend share the other core.
- Every gateway is started anew for each workload. Each round has one turn of every gateway, and another one begins each
  time. A turn sends a fixed number of requests, found in a warm-up, so that no request is left half done.
- Before and after the load, the answers are compared with what is expected: JSON as protobuf means it, wire bytes as they
  are, and the status where a dialect has one of its own; gRPC by grpcio. So is an order of 64 KB of JSON or 31 KB of wire
  that goes to the backend and comes back. Under load, all bodies together must be as long as that many of those that
  were looked at. A wrong answer or a failed request makes the row fail.
- POSTs are answered with the small message of the GET. Sizes are those of the JSON, for gRPC of the wire. Messages are
  mixed: nested, repeated, maps, enums, 64-bit integers, doubles, bytes, timestamps.
- Streams are of 1,000 of the small messages, 166 KB of JSON. The backend sends them in a DATA frame each, or packed,
  as many in a frame as it takes. As JSON, answers and uploads are arrays, which is the form of Envoy's transcoder.
- Envoy is lean: no access log, no tracing, no statistics, no request identifier, and of filters the one that the
  workload needs: for gRPC none but its router, for gRPC-Web `grpc_web`, for Connect `connect_grpc_bridge`. That one
  passes on messages of Connect as they are; it turns no JSON into protobuf, so that Connect with JSON has no row of
  Envoy and is held against the same message sent as REST. The configurations are in `bench/compare/config`, the filters
  in `bench/compare/gateways.py`.
- nginx and a plain proxy built on hyper (`bench/parts/passthrough.rs`) pass on JSON that the backend answers
  over HTTP/1.1, and gRPC over HTTP/2. They are what moving the same bytes costs without transcoding. The stream with a
  frame for each message comes to them with a chunk for each message; nginx puts chunks together, the plain proxy does
  not.
- Observed are the same requests by Transom as it is, with traces of 1 % that go to the backend as their collector and
  with metrics that are read in each turn, and with an access log in JSON that is thrown away. Transom always counts.
- Latencies are those of h2load, from sending a request to the end of its answer. At the same rate, connections send
  at their own times, not all at once.
"""


def written(value):
    if value is None:
        return "–"
    return f"{value.middle:.3f} ({value.least:.3f}–{value.most:.3f})"


def millis(row, key):
    value = middle(row, key)
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
