"""`./bench/run`: compares gateways, and shows how cost grows with size."""

import argparse
import json
import os
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import compare
import machine
import scale
from figures import find, middle, ratio
from gateways import REFERENCE
from plot import Bar, bars
from process import LOAD_CORE, Failed, check_machine
from report import MAIN, markdown, short, summary, title
from stage import Places
from workloads import WORKLOADS

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Pace:
    """How many rounds there are, and about how long each turn takes."""

    rounds: int
    seconds: float


def main():
    arguments = parsed()
    try:
        check_machine()
        os.sched_setaffinity(0, {LOAD_CORE})
        places = Places(arguments.bin, arguments.parts, arguments.venv, arguments.work)
        places.work.mkdir(parents=True, exist_ok=True)
        arguments.gateways = compare.chosen_gateways(arguments.gateway)
        arguments.workloads = compare.chosen(arguments.only, WORKLOADS, "workload")
        pace, other_pace = (Pace(2, 0.7), Pace(1, 0.4)) if arguments.quick else (Pace(5, 2), Pace(3, 1.2))
        arguments.pace, arguments.other_pace = pace, other_pace
        # Whatever else is on the disk: the log of single requests stays in memory where that is possible.
        shared = Path("/dev/shm")
        arguments.log = (shared if shared.is_dir() else places.work) / f"transom-bench-{os.getpid()}.log"
        try:
            (run_scale if arguments.what == "scale" else run_compare)(places, arguments)
        finally:
            arguments.log.unlink(missing_ok=True)
    except Failed as failure:
        sys.exit(f"./bench/run: {failure}")


def parsed():
    parser = argparse.ArgumentParser(
        prog="./bench/run",
        description="Compares gateways: CPU time for each request, "
        "latency and memory. Writes docs/benchmarks.md or docs/scale.md.",
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=["compare", "scale"],
        default="compare",
        help="compare: every workload through every gateway, about 25 minutes; "
        "scale: cost against routes, sizes, descriptors, connections, about 8 minutes",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, about 5 minutes")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORKLOAD",
        help="only this workload, once or more; the table is printed and docs/ stays as it is",
    )
    parser.add_argument(
        "--gateway",
        action="append",
        default=[],
        metavar="NAME",
        help="only this gateway, once or more; the table is printed and docs/ stays as it is",
    )
    for folder in ("bin", "parts", "venv", "work"):
        parser.add_argument(f"--{folder}", type=absolute, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def absolute(path):
    return Path(path).resolve()


def run_compare(places, arguments):
    found = {
        "machine": machine.describe(places, arguments.gateways),
        "pace": asdict(arguments.pace),
        "other_pace": asdict(arguments.other_pace),
    }
    found |= compare.compare(places, arguments)
    (places.work / "benchmarks.json").write_text(json.dumps(found, indent=1))
    document = markdown(found, command(arguments))
    if arguments.only or arguments.gateway:
        print(document)
        return
    DOCS.mkdir(exist_ok=True)
    (DOCS / "benchmarks.md").write_text(document)
    (DOCS / "benchmarks.svg").write_text(picture(found))
    print(f"{short(found)}\n\n{summary(found)}\n\ndocs/benchmarks.md and docs/benchmarks.svg are written.")


def picture(found):
    """CPU time against the reference, for each workload in the main shape."""
    groups = []
    for workload in WORKLOADS:
        rows = [row for row in found["rows"] if row["workload"] == workload.name]
        rows = [row for row in rows if row["shape"] == workload.main.name]
        reference = find(rows, gateway=workload.reference)
        group = []
        for row in rows:
            against = ratio(row, reference)
            note = f"{against.middle:.2f} ({middle(row, 'cpu'):.0f} µs)" if against else ""
            value = against.middle if against else 0
            if row["failed"]:
                value, note = 0, "failed"
            group.append(Bar(row["gateway"], title(row["gateway"]), value, note))
        if group:
            against = "" if workload.reference == REFERENCE else f", against {title(workload.reference)}"
            groups.append((workload.title + against, group))
    return bars(f"CPU time for each request against Envoy, {MAIN}; shorter is better", groups)


def run_scale(places, arguments):
    about = machine.describe(places, arguments.gateways)
    found = scale.measure(places, arguments)
    (places.work / "scale.json").write_text(json.dumps({"machine": about} | found, indent=1))
    document = scale.markdown(found, about, command(arguments))
    if arguments.gateway:
        print(document)
        return
    DOCS.mkdir(exist_ok=True)
    (DOCS / "scale.md").write_text(document)
    (DOCS / "scale.svg").write_text(scale.picture(found))
    print("docs/scale.md and docs/scale.svg are written.")


def command(arguments):
    words = ["./bench/run"] + (["scale"] if arguments.what == "scale" else [])
    words += ["--quick"] if arguments.quick else []
    for option in ("only", "gateway"):
        words += [word for value in getattr(arguments, option) for word in (f"--{option}", value)]
    return shlex.join(words)


if __name__ == "__main__":
    main()
