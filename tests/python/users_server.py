"""A backend of the versions of the tests: the users in the version that is named."""

import argparse
import os
import sys
from concurrent import futures

import grpc
from grpc_reflection.v1alpha import reflection

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def first(server):
    pb, services = grpc.protos_and_services("users_v1.proto")

    class Users(services.UsersServicer):
        def GetUser(self, request, context):
            return pb.User(id=request.id, name=f"Ann {request.id}")

    services.add_UsersServicer_to_server(Users(), server)
    return ["shop.Users"]


def second(server):
    pb, services = grpc.protos_and_services("users_v2.proto")

    class Users(services.UsersServicer):
        def GetUser(self, request, context):
            return pb.Person(id=request.id, given_name="Ann", family_name=request.id)

        def ListUsers(self, request, context):
            for id in ["1", "2"]:
                yield pb.Person(id=id, given_name="Ann")

    class Pages(services.PagesServicer):
        def GetPage(self, request, context):
            return pb.Page(id=request.id)

    services.add_UsersServicer_to_server(Users(), server)
    services.add_PagesServicer_to_server(Pages(), server)
    return ["shop.Users", "shop.Pages"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--version", choices=["1", "2"], required=True)
    arguments = parser.parse_args()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    names = (first if arguments.version == "1" else second)(server)
    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
    port = server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    server.start()
    print(f"listening 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
