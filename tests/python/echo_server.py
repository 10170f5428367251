"""The backend of the tests, a grpcio server with reflection: see echo.proto."""

import argparse
import os
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf import empty_pb2
from google.rpc import status_pb2
from grpc_reflection.v1alpha import reflection

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("echo.proto")

CODES = {code.value[0]: code for code in grpc.StatusCode}


def entry(key, value):
    if key.endswith("-bin"):
        return pb.Entry(key=key, binary=value)
    return pb.Entry(key=key, text=value)


def pairs(entries):
    return [(one.key, one.binary if one.key.endswith("-bin") else one.text) for one in entries]


class Echo(services.EchoServicer):
    def __init__(self):
        self.changed = threading.Condition()
        self.reached = set()

    def Echo(self, request, context):
        return request

    def Metadata(self, request, context):
        context.send_initial_metadata(pairs(request.initial))
        context.set_trailing_metadata(pairs(request.trailing))
        return pb.MetadataResponse(received=[entry(*pair) for pair in context.invocation_metadata()])

    def Fail(self, request, context):
        status = status_pb2.Status()
        status.CopyFrom(request.status)
        if request.undeclared:
            status.details.add(type_url="type.googleapis.com/nowhere.v1.Declared", value=request.undeclared)
        if status.details or request.broken:
            details = request.broken or status.SerializeToString()
            context.set_trailing_metadata([("grpc-status-details-bin", details)])
        context.set_code(CODES[status.code])
        context.set_details(status.message)
        return empty_pb2.Empty()

    def Large(self, request, context):
        return pb.Everything(string="x" * request.size)

    def Wait(self, request, context):
        ended = threading.Event()
        context.add_callback(ended.set)
        self.note(request.id, pb.STARTED)
        if ended.wait(request.time.ToTimedelta().total_seconds()):
            self.note(request.id, pb.CANCELLED)
        return empty_pb2.Empty()

    def Await(self, request, context):
        wanted = (request.id, request.state)
        with self.changed:
            return pb.AwaitResponse(reached=self.changed.wait_for(lambda: wanted in self.reached, timeout=10))

    def note(self, id, state):
        with self.changed:
            self.reached.add((id, state))
            self.changed.notify_all()


class RawHandler(grpc.GenericRpcHandler):
    """Serves echo.v1.Raw without a serializer for the answer."""

    def service(self, details):
        if details.method != "/echo.v1.Raw/Answer":
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: request.wire,
            request_deserializer=pb.RawRequest.FromString,
            response_serializer=lambda wire: wire,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free port")
    port = parser.parse_args().port

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), handlers=[RawHandler()])
    services.add_EchoServicer_to_server(Echo(), server)
    reflection.enable_server_reflection(["echo.v1.Echo", "echo.v1.Raw", reflection.SERVICE_NAME], server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(f"listening 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
