"""The gateways that are compared. Another one is one more entry here and a template in `config/`.

In commands and templates `@NAME@` stands for: `port` and `h2c_port` to listen on (on 127.0.0.1), `grpc` and `http`,
the ports of the backend, `descriptors`, the file of the descriptor set, `services`, the full names of its services
with commas between, `config`, the file made from the template, `work`, a folder to write to, `bin`, the folder of
Transom's binary, `parts`, that of the parts of the benchmark, and `venv`, that of the Python environment.
"""

from __future__ import annotations

from dataclasses import dataclass

H1 = "h1"
H2C = "h2c"


@dataclass(frozen=True)
class Gateway:
    """How a gateway is started, pinned to one core, and what it can do."""

    name: str
    title: str
    command: list[str]
    # Prints the version; the first word with a dot in its output is taken.
    version: list[str]
    # The template of its configuration, in `config/`.
    config: str | None = None
    speaks: tuple[str, ...] = (H1, H2C)
    # Whether HTTP/2 has a port of its own.
    h2c_port: bool = False
    # Whether it turns JSON to gRPC. Others pass on the JSON that the backend answers, as a reference.
    transcodes: bool = True


# What all others are measured against.
REFERENCE = "envoy"
# The gateway whose ratios are held against the goals.
OURS = "transom"

GATEWAYS = [
    Gateway(
        name="transom",
        title="Transom",
        command=["@bin@/transom", "serve", "-c", "@config@"],
        version=["@bin@/transom", "--version"],
        config="transom.yaml",
    ),
    Gateway(
        name="envoy",
        title="Envoy",
        command=[
            "@venv@/bin/envoy",
            "-c",
            "@config@",
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "-l",
            "error",
        ],
        version=["@venv@/bin/envoy", "--version"],
        config="envoy.yaml",
    ),
    Gateway(
        name="nginx",
        title="nginx (no transcoding)",
        command=["nginx", "-c", "@config@"],
        version=["nginx", "-v"],
        config="nginx.conf",
        h2c_port=True,
        transcodes=False,
    ),
    Gateway(
        name="passthrough",
        title="hyper (no transcoding)",
        command=["@parts@/passthrough", "127.0.0.1:@port@", "127.0.0.1:@http@"],
        version=["cargo", "tree", "--locked", "-e", "normal", "--depth", "1", "-i", "hyper"],
        speaks=(H1,),
        transcodes=False,
    ),
]
