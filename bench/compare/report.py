"""The comparison as Markdown. What was lost is written like what was won."""

from statistics import median

import sockets
from figures import find, middle, ratio, verdicts
from gateways import GATEWAYS, OURS, REFERENCE
from workloads import GOALS, IDLE_MOST, MAIN_SHAPE, SHAPES, WORKLOADS

TITLES = {gateway.name: gateway.title for gateway in GATEWAYS}
WORKLOAD_TITLES = {workload.name: workload.title for workload in WORKLOADS}


def markdown(found, command):
    """The whole document."""
    parts = [
        introduction(found, command),
        "## In short\n\n" + short(found),
        summary(found),
        workloads(found),
        paced(found),
        memory(found),
        sockets.section(found["sockets"]) if "sockets" in found else "",
        method(found),
    ]
    return "\n".join(part.strip() + "\n" for part in parts if part)


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
machine; ratios were taken within the same round of the same run and hold elsewhere. They are medians over
{found["rounds"]} rounds of about {found["seconds"]:g} s, with the least and the most in brackets; less than 1 is better for Transom.

![CPU time for each request](benchmarks.svg)
"""


def short(found):
    """The table of the README: one line for each workload in the main shape."""
    others = [name for name in TITLES if name != OURS and find(found["rows"], gateway=name)]
    lines = [
        f"{MAIN_SHAPE.title}; CPU time for a request, against others in the same run; p99 at the same rate; peak memory.\n",
        "| workload | CPU µs |"
        + "".join(f" against {TITLES[name]} |" for name in others)
        + f" p99 ms, {TITLES[REFERENCE]}'s | peak MiB, {TITLES[REFERENCE]}'s |",
        "|---|--:|" + "--:|" * len(others) + "--:|--:|",
    ]
    for name, title in WORKLOAD_TITLES.items():
        one = find(found["rows"], workload=name, shape=MAIN_SHAPE.name, gateway=OURS)
        if one is None:
            continue
        cells = [title, "**failed**" if one["failed"] else f"{middle(one, 'cpu'):.0f}"]
        for other in others:
            two = find(found["rows"], workload=name, shape=MAIN_SHAPE.name, gateway=other)
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
        f"## The goals\n\nOf Transom, {MAIN_SHAPE.title}; ratios to the gateway named.\n",
        "| what | against | measured | goal | |",
        "|---|---|---|---|---|",
    ]
    for verdict in verdicts(found["rows"], GOALS, OURS, MAIN_SHAPE.name):
        goal = verdict.goal
        outcome = verdict.failed or ("not measured" if verdict.ratio is None else said(verdict.reached))
        what = f"CPU time, {WORKLOAD_TITLES[goal.workload]}"
        measured = written(verdict.ratio)
        lines.append(f"| {what} | {TITLES[goal.against]} | {measured} | at most {goal.most:g} | {outcome} |")
    return "\n".join(lines + latency_goals(found) + memory_goals(found))


def latency_goals(found):
    """At the same rate, p99 shall be below the reference's."""
    lines = []
    for name, title in WORKLOAD_TITLES.items():
        one, two = (find(found["paced"], workload=name, gateway=gateway) for gateway in (OURS, REFERENCE))
        if one and two and not one["failed"] and not two["failed"]:
            part = middle(one, "p99") / middle(two, "p99")
            begin = f"| p99 at the same rate, {title} | {TITLES[REFERENCE]} | {part:.2f}"
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
    for name, title in WORKLOAD_TITLES.items():
        rows = [row for row in found["rows"] if row["workload"] == name]
        if rows:
            lines += [
                f"\n### {title[0].upper()}{title[1:]}\n",
                "| | gateway | CPU µs | against Envoy | requests/s | p50 ms | p99 ms | p99.9 ms |",
                "|---|---|--:|---|--:|--:|--:|--:|",
            ]
            lines += [line(row, rows) for shape in SHAPES for row in rows if row["shape"] == shape.name]
    return "\n".join(lines)


def line(row, rows):
    shape = next(shape.title for shape in SHAPES if shape.name == row["shape"])
    begin = f"| {shape} | {TITLES[row['gateway']]} |"
    if row["failed"]:
        return f"{begin} **failed** | {row['failed']} | | | | |"
    against = ratio(row, find(rows, gateway=REFERENCE, shape=row["shape"]))
    return (
        f"{begin} {middle(row, 'cpu'):.1f} | {written(against)} | {middle(row, 'rate'):,.0f} "
        f"| {' | '.join(millis(row, key) for key in ('p50', 'p99', 'p999'))} |"
    )


def paced(found):
    lines = [
        f"""
## Latency at the same rate

{MAIN_SHAPE.title} in sum, sending half as many requests per second as the slowest of the gateways can answer.

| workload | gateway | requests/s | p50 ms | p99 ms | p99.9 ms | CPU µs |
|---|---|--:|--:|--:|--:|--:|"""
    ]
    for row in found["paced"]:
        begin = f"| {WORKLOAD_TITLES[row['workload']]} | {TITLES[row['gateway']]} |"
        if row["failed"]:
            lines.append(f"{begin} **failed** | {row['failed']} | | | |")
        else:
            latencies = " | ".join(millis(row, key) for key in ("p50", "p99", "p999"))
            lines.append(f"{begin} {middle(row, 'rate'):,.0f} | {latencies} | {middle(row, 'cpu'):.1f} |")
    return "\n".join(lines)


def memory(found):
    names = [name for name in WORKLOAD_TITLES if find(found["memory"], workload=name)]
    counts = [key for key in found["idle"][0] if key != "gateway"]
    lines = [
        "## Memory\n\nMiB resident: idle with open connections that had one request each, and the peak after all shapes "
        "of a workload.\n",
        "| gateway |"
        + "".join(f" idle, {count} |" for count in counts)
        + "".join(f" {WORKLOAD_TITLES[name]} |" for name in names),
        "|---|" + "--:|" * (len(counts) + len(names)),
    ]
    for idle in found["idle"]:
        peaks = [find(found["memory"], workload=name, gateway=idle["gateway"])["peak"] for name in names]
        lines.append(
            f"| {TITLES[idle['gateway']]} |"
            + "".join(f" {value:.1f} |" for value in [idle[count] for count in counts] + peaks)
        )
    return "\n".join(lines)


def method(found):
    return """
## How it is measured

- The gateway is pinned to one core and, where it can be told, has one worker; load and backend share the other core.
- Every gateway is started anew for each workload. Each round has one turn of every gateway, and another one begins each
  time. A turn sends a fixed number of requests, found in a warm-up, so that no request is left half done.
- Before and after the load, the answers are compared with what is expected, as protobuf means JSON; so is an order
  of 64 KB that goes to the backend and comes back. A wrong answer or a failed request makes the row fail.
- POSTs are answered with the small message of the GET. Sizes are those of the JSON. Messages are mixed: nested, repeated,
  maps, enums, 64-bit integers, doubles, bytes, timestamps.
- Streams are of 1,000 of the small messages, 166 KB of JSON. The backend sends them in a DATA frame each, or packed,
  as many in a frame as it takes. As JSON, answers and uploads are arrays, which is the form of Envoy's transcoder.
- Envoy is lean: no access log, no tracing, no statistics, no request identifier. Its configuration and that of the
  others are in `bench/compare/config`.
- nginx and a plain proxy built on hyper (`bench/parts/passthrough.rs`) pass on JSON that the backend answers
  over HTTP/1.1. They are what moving the same bytes costs without transcoding. The stream with a frame for each
  message comes to them with a chunk for each message; nginx puts chunks together, the plain proxy does not.
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
