"""A collector of the tests: takes spans by OTLP over gRPC and prints each as a line of JSON, `span {...}`."""

import argparse
import json
from concurrent import futures

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2


def value_of(value):
    return getattr(value, value.WhichOneof("value"))


def attributes(pairs):
    return {pair.key: value_of(pair.value) for pair in pairs}


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, refusals):
        self.refusals = refusals

    def Export(self, request, context):
        if self.refusals > 0:
            self.refusals -= 1
            print("refused", flush=True)
            context.abort(grpc.StatusCode.UNAVAILABLE, "Told to fail.")
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    text = json.dumps(
                        {
                            "resource": attributes(resource.resource.attributes),
                            "scope": scope.scope.name,
                            "trace": span.trace_id.hex(),
                            "id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "state": span.trace_state,
                            "name": span.name,
                            "kind": trace_pb2.Span.SpanKind.Name(span.kind),
                            "start": span.start_time_unix_nano,
                            "end": span.end_time_unix_nano,
                            "attributes": attributes(span.attributes),
                            "status": trace_pb2.Status.StatusCode.Name(span.status.code),
                            "flags": span.flags,
                        }
                    )
                    print(f"span {text}", flush=True)
        return trace_service_pb2.ExportTraceServiceResponse()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--refusals", type=int, default=0, help="how many batches to refuse as if it were overloaded")
    arguments = parser.parse_args()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(arguments.refusals), server)
    port = server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    server.start()
    print(f"listening 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
