"""Load by h2load, for HTTP/1.1 and HTTP/2: a fixed number of requests, so that CPU time is divided by exactly what was
served. (Tools that stop after a time leave requests half done, which of large ones is a large part.)
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from dialects import DIALECTS
from gateways import H1
from process import LOAD_CORE, Failed, pinned

# How long one run of the load may take at most.
MOST_SECONDS = 300


@dataclass
class Load:
    """What one run of the load saw. Latencies are in milliseconds."""

    requests: int
    seconds: float
    errors: int
    # Bytes of all bodies.
    data: int
    p50: float
    p99: float
    p999: float

    @property
    def rate(self):
        return self.requests / self.seconds


@dataclass(frozen=True)
class Target:
    """Where and what: the port, the request, and the file with its body."""

    port: int
    dialect: str
    method: str
    path: str
    body: str | None


def run(target, shape, requests, log, rate=None):
    """Sends `requests` requests, as fast as they are answered or at a constant `rate` of requests a second."""
    log.unlink(missing_ok=True)
    command = ["h2load", "-t1", "-n", str(requests), "-c", str(shape.connections), "-m", str(shape.streams)]
    command += ["--log-file", str(log)]
    if shape.protocol == H1:
        command.append("--h1")
    else:
        # No flow control on the side of the load.
        command += ["-w", "24", "-W", "24"]
    if rate is not None:
        # Connections begin one after the other, so that they do not ask all at the same moment.
        apart = max(1, round(1000 / rate))
        command += ["--rps", f"{rate / shape.connections:.3f}", "-r", "1", "--rate-period", f"{apart}ms"]
    if target.body is not None:
        command += ["-d", target.body]
        for name, value in DIALECTS[target.dialect].headers.items():
            command += ["-H", f"{name}: {value}"]
    command.append(f"http://127.0.0.1:{target.port}{target.path}")
    try:
        done = subprocess.run(
            pinned(command, LOAD_CORE),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"`{' '.join(command)}` was not done after {MOST_SECONDS} s.") from None
    if done.returncode != 0:
        raise Failed(f"`{' '.join(command)}` failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return parse(done.stdout, log.read_text() if log.exists() else "", requests)


def parse(output, log, requests):
    """Reads what h2load printed and its log, whose lines are start, status and duration in microseconds."""
    seconds = re.search(r"^finished in ([\d.]+)(us|ms|s|m),", output, re.MULTILINE)
    codes = re.search(r"^status codes: (\d+) 2xx,", output, re.MULTILINE)
    data = re.search(r"^traffic: .*\((\d+)\) data$", output, re.MULTILINE)
    if not seconds or not codes or not data:
        raise Failed(f"h2load printed something unknown:\n{output[-1000:]}")
    unit = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[seconds[2]]
    micros = sorted(int(line.split("\t")[2]) for line in log.splitlines())
    quantiles = [percentile(micros, part) / 1000 for part in (0.5, 0.99, 0.999)]
    return Load(requests, float(seconds[1]) * unit, requests - int(codes[1]), int(data[1]), *quantiles)


def percentile(ordered, part):
    """The smallest value that `part` of all do not exceed."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))]
