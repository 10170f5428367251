"""A grpcio server with reflection for any proto: every method answers with an empty message."""

import argparse
import os
import sys
from concurrent import futures

import grpc
from grpc_reflection.v1alpha import reflection

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0, help="0 for any free port")
parser.add_argument("proto", help="the path of the proto file")
arguments = parser.parse_args()

sys.path.insert(0, os.path.dirname(os.path.abspath(arguments.proto)))
messages, _ = grpc.protos_and_services(os.path.basename(arguments.proto))


class Empty(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method.startswith("/grpc.reflection."):
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
names = [service.full_name for service in messages.DESCRIPTOR.services_by_name.values()]
reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
server.add_generic_rpc_handlers([Empty()])
port = server.add_insecure_port(f"127.0.0.1:{arguments.port}")
server.start()
print(f"listening 127.0.0.1:{port}", flush=True)
server.wait_for_termination()
