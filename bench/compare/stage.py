"""Everything that runs while something is measured: the backend and the gateways, started anew for each workload."""

import contextlib
import re
import subprocess
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import workloads
from dialects import DIALECTS, REST, Refused
from gateways import H2C, OURS, Gateway
from load import Target
from process import GATEWAY_CORE, LOAD_CORE, Failed, Process, free_ports

HERE = Path(__file__).parent
DESCRIPTORS = HERE / "orders.binpb"
SERVICES = ("bench.Orders",)


@dataclass(frozen=True)
class Places:
    """Where things are: built binaries, the Python environment, and a folder to write to."""

    bin: Path
    parts: Path
    venv: Path
    work: Path


@dataclass
class Running:
    """A gateway that was started."""

    gateway: Gateway
    process: Process
    ports: dict
    # How long the answer to each workload was that was looked at.
    lengths: dict = field(default_factory=dict)

    def target(self, workload, shape, bodies):
        protocol = shape.protocol if shape else next(iter(self.gateway.speaks[workload.dialect]))
        sent = DIALECTS[workload.dialect].sent
        body = None if workload.body is None else bodies[workload.body, sent]
        return Target(self.ports[protocol], workload.dialect, workload.method, workload.path, body)

    def metrics(self):
        """What a Prometheus would read."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['admin']}/metrics", timeout=30) as answer:
            return answer.read().decode()


@dataclass
class Contender:
    """A gateway with what it is asked: one row of the comparison."""

    running: Running
    workload: workloads.Workload
    name: str

    def speaks(self, protocol):
        return protocol in self.running.gateway.speaks[self.workload.dialect]


def taking_part(workload, gateways):
    """The gateways that have turns in a workload."""
    if workload.gateways:
        return [gateway for gateway in gateways if gateway.name in workload.gateways]
    return [gateway for gateway in gateways if gateway.usual and workload.dialect in gateway.speaks]


class Stage:
    """Starts and stops the processes. A context: whatever happens, all that was started is ended."""

    def __init__(self, places):
        self.places = places
        self.bodies = write_messages(places.work)
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        self.grpc, self.http = free_ports(2)
        command = [
            self.places.parts / "backend",
            f"127.0.0.1:{self.grpc}",
            f"127.0.0.1:{self.http}",
            self.places.work,
        ]
        backend = self.launch([str(part) for part in command], LOAD_CORE, "backend")
        backend.wait_for(self.grpc)
        backend.wait_for(self.http)
        return self

    def __exit__(self, *exception):
        self.stack.close()

    def contenders(self, workload, gateways):
        """Starts the gateways that have turns in a workload."""
        found = []
        for gateway in taking_part(workload, gateways):
            running = self.start(gateway, workload.dialect)
            found.append(Contender(running, workload, gateway.name))
            if gateway.name == OURS:
                others = [other for other in workloads.WORKLOADS if other.name in workload.beside]
                found += [Contender(running, other, f"{OURS} {other.name}") for other in others]
        return found

    def start(self, gateway, dialect=REST, descriptors=DESCRIPTORS, services=SERVICES):
        """Starts a gateway for a dialect and waits until it listens."""
        port, h2c_port, admin_port = free_ports(3)
        values = {
            "port": port,
            "h2c_port": h2c_port,
            "admin_port": admin_port,
            "grpc": self.grpc,
            "http": self.http,
            "descriptors": descriptors,
            "services": ", ".join(services),
            "bin": self.places.bin,
            "parts": self.places.parts,
            "venv": self.places.venv,
            "work": self.places.work,
        }
        if gateway.config is not None:
            values["part"] = fill(gateway.part.get(dialect, ""), values)
            values["config"] = self.places.work / f"{gateway.name}-{gateway.config}"
            values["config"].write_text(fill((HERE / "config" / gateway.config).read_text(), values))
        process = self.launch([fill(part, values) for part in gateway.command], GATEWAY_CORE, gateway.name)
        ports = {protocol: port for protocols in gateway.speaks.values() for protocol in protocols}
        if gateway.h2c_port:
            ports[H2C] = h2c_port
        if gateway.scraped:
            ports["admin"] = admin_port
        for each in set(ports.values()):
            process.wait_for(each)
        return Running(gateway, process, ports)

    def launch(self, command, core, name):
        process = Process(command, core, self.places.work / f"{name}.log")
        self.stack.callback(process.stop)
        return process

    def wrong(self, contender):
        """What is wrong with the answers of a gateway, or None."""
        workload, running = contender.workload, contender.running
        dialect = DIALECTS[workload.dialect]
        for asked in (workload, workloads.echo(workload.dialect)):
            expected = Path(self.bodies[asked.answer or asked.body, dialect.read]).read_bytes()
            try:
                answer = dialect.ask(running.target(asked, None, self.bodies), dialect.headers)
            except Refused as refused:
                return f"{asked.title} {refused}"
            if not dialect.same(answer.message, expected):
                return f"{asked.title} was answered with another message: {answer.message[:200]!r}"
            if running.lengths.setdefault(asked.name, answer.length) != answer.length:
                return f"{asked.title} was answered with {answer.length} bytes, before with another number"
        return None


def write_messages(work):
    """Writes what is sent and what the backend answers; returns the paths by name and form."""
    written = {(name, "json"): text for name, text in workloads.messages().items()}
    for name, wires in workloads.wires().items():
        written[name, "grpc"] = workloads.grpc(wires)
        written[name, "wire"] = b"".join(wires)
    for (name, form), content in written.items():
        (work / f"{name}.{form}").write_bytes(content)
    return {(name, form): str(work / f"{name}.{form}") for name, form in written}


def fill(template, values):
    """Puts values in place of `@NAME@`."""

    def value(match):
        if match[1] not in values:
            raise Failed(f"There is no value for `{match[0]}`; gateways.py lists those there are.")
        return str(values[match[1]])

    return re.sub(r"@([a-z0-9_]+)@", value, template)


def version(gateway, places):
    """The version that a gateway says it has."""
    values = {"bin": places.bin, "parts": places.parts, "venv": places.venv}
    command = [fill(part, values) for part in gateway.version]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    if done.returncode != 0 or not found:
        raise Failed(f"`{' '.join(command)}` did not print a version:\n{done.stdout}{done.stderr}")
    return found[0]
