"""Everything that runs while something is measured: the backend and the gateways, started anew for each workload."""

import contextlib
import http.client
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import answers
import workloads
from gateways import H1, Gateway
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

    def target(self, workload, shape, bodies):
        body = None if workload.body is None else bodies[workload.body]
        protocol = H1 if shape is None else shape.protocol
        return Target(self.ports[protocol], workload.method, workload.path, body)


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

    def start(self, gateway, descriptors=DESCRIPTORS, services=SERVICES):
        """Starts a gateway and waits until it listens."""
        port, h2c_port = free_ports(2)
        values = {
            "port": port,
            "h2c_port": h2c_port,
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
            values["config"] = self.places.work / gateway.config
            values["config"].write_text(fill((HERE / "config" / gateway.config).read_text(), values))
        process = self.launch([fill(part, values) for part in gateway.command], GATEWAY_CORE, gateway.name)
        ports = {protocol: port for protocol in gateway.speaks}
        if gateway.h2c_port:
            ports["h2c"] = h2c_port
        for each in set(ports.values()):
            process.wait_for(each)
        return Running(gateway, process, ports)

    def launch(self, command, core, name):
        process = Process(command, core, self.places.work / f"{name}.log")
        self.stack.callback(process.stop)
        return process

    def wrong(self, running, workload):
        """What is wrong with the answers of a gateway, or None."""
        for asked in (workload, workloads.ECHO):
            path = self.bodies[asked.body if asked.answer is None else asked.answer]
            try:
                status, body = answers.fetch(running.target(asked, None, self.bodies))
            except (OSError, http.client.HTTPException) as error:
                return f"{asked.title} was not answered: {error!r}"
            if status != 200:
                return f"{asked.title} was answered with status {status}: {body[:200]!r}"
            if not answers.same(body, Path(path).read_bytes()):
                return f"{asked.title} was answered with another message: {body[:200]!r}"
        return None


def write_messages(work):
    """Writes what is sent and what the backend answers; returns the paths of the JSON texts by name."""
    for name, wires in workloads.answers().items():
        (work / f"{name}.grpc").write_bytes(workloads.grpc(wires))
    paths = {}
    for name, text in workloads.messages().items():
        (work / f"{name}.json").write_bytes(text)
        paths[name] = str(work / f"{name}.json")
    return paths


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
