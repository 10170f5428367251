"""How cost grows: CPU time with the number of routes and the size of messages, memory with the size of the descriptors
and the number of idle connections.
"""

import resource
from statistics import median

import compare
import workloads
from collection import collection, request
from dialects import REST
from gateways import GATEWAYS
from plot import Panel, lines
from process import Failed
from report import TITLES, where
from stage import Contender, Stage
from workloads import MAIN_SHAPE, Workload

ROUTES = (10, 100, 1_000, 5_000, 20_000)
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000, 4_000_000)
CONNECTIONS = (1, 10, 100, 1_000, 5_000, 10_000)
LABELS = {gateway.name: gateway.title.split(" (")[0] for gateway in GATEWAYS}


def measure(places, settings):
    """Curves by name; each is a list of points `{"x": ..., gateway: value}`."""
    routes, descriptors = routes_and_descriptors(places, settings)
    return {
        "routes": routes,
        "sizes": sizes(places, settings),
        "descriptors": descriptors,
        "connections": connections(places, settings),
    }


def routes_and_descriptors(places, settings):
    """CPU microseconds for a request by routes, and memory in MiB after start by megabytes of the set."""
    gateways = [gateway for gateway in usual(settings) if gateway.transcodes]
    times, memory = [], []
    for count in ROUTES:
        made, services = collection(count)
        path = places.work / "collection.binpb"
        path.write_bytes(made)
        with Stage(places) as stage:
            running = [stage.start(gateway, REST, path, services) for gateway in gateways]
            memory.append(
                {"x": len(made) / 1e6} | {each.gateway.name: each.process.memory()[0] for each in running}
            )
            times.append({"x": count} | cpu(stage, running, request(count), settings))
    return times, memory


def sizes(places, settings):
    """CPU microseconds for an echo by size of the message in bytes: JSON to wire and wire to JSON."""
    points = []
    for size in SIZES:
        with Stage(places) as stage:
            body = places.work / "sized.json"
            body.write_bytes(workloads.order(size))
            stage.bodies["sized", "json"] = str(body)
            running = [stage.start(gateway) for gateway in usual(settings)]
            workload = Workload("sizes", f"echo of {size} bytes", "POST", "/v1/orders:echo", body="sized")
            points.append({"x": body.stat().st_size} | cpu(stage, running, workload, settings))
    return points


def connections(places, settings):
    """Memory in MiB by number of idle connections that had one request each."""
    # A gateway needs two file descriptors for each connection.
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 100
    points = [{"x": min(count, allowed)} for count in CONNECTIONS]
    with Stage(places) as stage:
        for gateway in usual(settings):
            for point in points:
                running = stage.start(gateway)
                point[gateway.name] = compare.memory_with(running, point["x"])
                running.process.stop()
                compare.say(
                    f"{point['x']} connections",
                    [{"gateway": gateway.name, "cpu": [point[gateway.name]]}],
                    "MiB",
                )
    return points


def usual(settings):
    return [gateway for gateway in settings.gateways if gateway.usual]


def cpu(stage, running, workload, settings):
    """The median CPU time of each gateway over interleaved rounds."""
    able = [Contender(each, workload, each.gateway.name) for each in running]
    for each in able:
        if wrong := stage.wrong(each):
            raise Failed(f"{TITLES[each.name]}: {wrong}")
    rows = compare.measure(stage, able, workload, MAIN_SHAPE, settings)
    for row in rows:
        if failed := compare.errors(row):
            raise Failed(f"{TITLES[row['gateway']]}, {workload.title}: {failed}.")
    return {row["gateway"]: median(row["cpu"]) for row in rows}


DIAGRAMS = (
    ("routes", "CPU time by number of routes", "routes", "µs for a small GET", "{:,.0f}"),
    ("sizes", "CPU time by size of the message", "bytes of JSON", "µs for an echo", "{:,.0f}"),
    ("descriptors", "Memory by size of the descriptor set", "MB of the set", "MiB after start", "{:,.3f}"),
    ("connections", "Memory by idle connections", "connections", "MiB", "{:,.0f}"),
)


def picture(found):
    panels = []
    for name, title, x_title, y_title, _ in DIAGRAMS:
        series = {
            gateway: [(point["x"], point[gateway]) for point in found[name]]
            for gateway in measured(found[name])
        }
        panels.append(Panel(title, x_title, y_title, series, LABELS))
    return lines("How cost grows", panels)


def markdown(found, about, command):
    versions = ", ".join(f"{LABELS[name]} {text}" for name, text in about["versions"].items())
    parts = [
        f"""# How cost grows

Made by `{command}` on {about["date"]}, of {about["commit"]}. {where(about)}
{versions}. How it is measured is said in [benchmarks.md](benchmarks.md); CPU time is at {MAIN_SHAPE.title}.
Echoes are read from JSON and written as JSON again by the gateways that transcode; the others pass on the bytes.
Descriptor sets are made of services with ten annotated methods each.

![How cost grows](scale.svg)
"""
    ]
    for name, title, x_title, y_title, form in DIAGRAMS:
        gateways = measured(found[name])
        rows = [
            f"## {title}\n",
            f"| {x_title} |" + "".join(f" {TITLES[gateway]} |" for gateway in gateways),
            "|--:|" + "--:|" * len(gateways),
        ]
        rows += [
            f"| {form.format(point['x'])} |" + "".join(f" {point[gateway]:,.1f} |" for gateway in gateways)
            for point in found[name]
        ]
        parts.append("\n".join(rows) + f"\n\nIn {y_title}.\n")
    return "\n".join(parts)


def measured(points):
    return [key for key in points[0] if key != "x"]
