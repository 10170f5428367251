"""A backend of the translations of the tests: the service of members_v2.proto and no other."""

import argparse
import os
import sys
from concurrent import futures

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("members_v2.proto")


def member(id, **more):
    return pb.Member(
        id=id,
        display_name=f"Member {id}",
        role=pb.ROLE_ADMIN if id == "ann" else pb.ROLE_GUEST,
        address=pb.Address(city="Linz", street="Hauptplatz"),
        points=2**40 if id == "rich" else 7,
        score=0.5,
        **more,
    )


class Members(services.MembersServicer):
    def FetchMember(self, request, context):
        match request.member_id:
            case "missing":
                context.abort(grpc.StatusCode.NOT_FOUND, "There is no such member.")
            case "wrong":
                violations = [
                    error_details_pb2.BadRequest.FieldViolation(field=field, description="It is wrong.")
                    for field in ("member_id", "tenant")
                ]
                status = status_pb2.Status(code=3, message="Wrong.")
                status.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
                context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Wrong.")
        friend = member("bob", counts={"tenant": len(request.tenant)})
        return member(request.member_id, friends=[friend], origin=request.tenant)

    def ChangeMember(self, request, context):
        return pb.Changed(members=[request.member], paths=request.mask.paths)

    def Search(self, request, context):
        yield from (member(id) for id in request.text.split(","))

    def Import(self, requests, context):
        return pb.Changed(members=requests, paths=["all"])

    def Talk(self, requests, context):
        for request in requests:
            request.friends.add(id=request.address.city, role=request.role)
            yield request


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0, help="0 for any free port")
arguments = parser.parse_args()

server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
services.add_MembersServicer_to_server(Members(), server)
reflection.enable_server_reflection(["members.v2.Members", reflection.SERVICE_NAME], server)
port = server.add_insecure_port(f"127.0.0.1:{arguments.port}")
server.start()
print(f"listening 127.0.0.1:{port}", flush=True)
server.wait_for_termination()
