"""The gateways that are compared. Another one is one more entry here and a template in `config/`.

In commands and templates `@NAME@` stands for: `port` and `h2c_port` to listen on (on 127.0.0.1), `admin_port` for
operators, `grpc` and `http`, the ports of the backend, `descriptors`, the file of the descriptor set, `services`, the
full names of its services with commas between, `config`, the file made from the template, `part`, what an entry adds
to it, `work`, a folder to write to, `bin`, the folder of Transom's binary, `parts`, that of the parts of the benchmark,
and `venv`, that of the Python environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dialects import CONNECT, CONNECT_JSON, GRPC, GRPC_WEB, REST

H1 = "h1"
H2C = "h2c"
BOTH = (H1, H2C)


@dataclass(frozen=True)
class Gateway:
    """How a gateway is started, pinned to one core, and what it can do."""

    name: str
    title: str
    command: list[str]
    # Prints the version; the first word with a dot in its output is taken.
    version: list[str]
    # Its dialects, and over what it speaks them.
    speaks: dict[str, tuple[str, ...]]
    # The template of its configuration, in `config/`.
    config: str | None = None
    # `@part@` of the template by the dialect of the workload; of the others it is empty.
    part: dict[str, str] = field(default_factory=dict)
    # Whether HTTP/2 has a port of its own.
    h2c_port: bool = False
    # Whether it turns JSON to gRPC. Others pass on the JSON that the backend answers, as a reference.
    transcodes: bool = True
    # Whether it takes part in every workload, or only in those that name it.
    usual: bool = True
    # Whether its metrics are asked for in every turn, as a Prometheus does.
    scraped: bool = False


# What all others are measured against.
REFERENCE = "envoy"
# The gateway whose ratios are held against the goals.
OURS = "transom"

EXTENSIONS = "type.googleapis.com/envoy.extensions.filters.http"

TRANSOM = Gateway(
    name=OURS,
    title="Transom",
    command=["@bin@/transom", "serve", "-c", "@config@"],
    version=["@bin@/transom", "--version"],
    speaks={REST: BOTH, GRPC: (H2C,), GRPC_WEB: BOTH, CONNECT: BOTH, CONNECT_JSON: BOTH},
    config="transom.yaml",
)

GATEWAYS = [
    TRANSOM,
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
        speaks={REST: BOTH, GRPC: (H2C,), GRPC_WEB: BOTH, CONNECT: BOTH},
        config="envoy.yaml",
        # The filters in front of its router; gRPC needs none.
        part={
            REST: f"""
                  - name: transcoder
                    typed_config:
                      "@type": {EXTENSIONS}.grpc_json_transcoder.v3.GrpcJsonTranscoder
                      proto_descriptor: @descriptors@
                      services: [@services@]
                      convert_grpc_status: true""",
            GRPC_WEB: f"""
                  - name: web
                    typed_config: {{ "@type": {EXTENSIONS}.grpc_web.v3.GrpcWeb }}""",
            CONNECT: f"""
                  - name: connect
                    typed_config: {{ "@type": {EXTENSIONS}.connect_grpc_bridge.v3.FilterConfig }}""",
        },
    ),
    Gateway(
        name="nginx",
        title="nginx (no transcoding)",
        command=["nginx", "-c", "@config@"],
        version=["nginx", "-v"],
        speaks={REST: BOTH, GRPC: (H2C,)},
        config="nginx.conf",
        h2c_port=True,
        transcodes=False,
    ),
    Gateway(
        name="passthrough",
        title="hyper (no transcoding)",
        command=[
            "@parts@/passthrough",
            "127.0.0.1:@port@",
            "127.0.0.1:@http@",
            "127.0.0.1:@h2c_port@",
            "127.0.0.1:@grpc@",
        ],
        version=["cargo", "tree", "--locked", "-e", "normal", "--depth", "1", "-i", "hyper"],
        speaks={REST: (H1,), GRPC: (H2C,)},
        h2c_port=True,
        transcodes=False,
    ),
    replace(
        TRANSOM,
        name="transom_observed",
        title="Transom, metrics scraped and 1 % traced",
        part={
            REST: """
admin: 127.0.0.1:@admin_port@
telemetry: { otlp: "http://127.0.0.1:@grpc@", traces: 1% }"""
        },
        usual=False,
        scraped=True,
    ),
    replace(
        TRANSOM,
        name="transom_logged",
        title="Transom, with an access log",
        # Thrown away; a file would grow by hundreds of megabytes.
        command=["sh", "-c", 'exec "$0" serve -c "$1" >/dev/null', "@bin@/transom", "@config@"],
        part={REST: "\ntelemetry: { access_log: json }"},
        usual=False,
    ),
]
