"""Calls the aggregated route of the gateway at the given address in the dialects that have clients of their own: gRPC by
what reflection tells, SOAP by the WSDL, a WebSocket."""

import json
import sys

import grpc
import zeep
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ADDRESS = sys.argv[1]
SERVICE = "shop.v1.Dashboards"
OFFERS = ["gold-s0", "gold-s1", "gold-s2"]


def check(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def by_grpc():
    channel = grpc.insecure_channel(ADDRESS)
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    methods = pool.FindServiceByName(SERVICE).methods_by_name
    check(sorted(methods), ["GetDashboard", "GetDashboardParts"])
    # What the parts are of is known as well, by the same files.
    check(sorted(pool.FindServiceByName("dashboard.v1.Users").methods_by_name), ["GetUser"])
    method = methods["GetDashboard"]
    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    check([field.name for field in method.input_type.fields], ["user_id"])
    check(
        [(field.number, field.name) for field in method.output_type.fields],
        [(1, "user"), (2, "orders"), (3, "prices"), (4, "offers"), (100, "errors")],
    )
    call = channel.unary_unary(
        f"/{SERVICE}/GetDashboard", request_serializer=request.SerializeToString, response_deserializer=response.FromString
    )
    answer = call(request(user_id="ann"), timeout=60)
    check((answer.user.name, answer.user.id, list(answer.offers.offers)), ("User ann", "", OFFERS))
    check([price.cents for price in answer.prices], [100, 200, 300])
    # A compressed request is read as well.
    answer = call(request(user_id="failing"), timeout=60, compression=grpc.Compression.Gzip)
    check(answer.HasField("orders"), False)
    check([(error.part, error.code) for error in answer.errors], [("orders", 14), ("prices", 9), ("offers", 9)])
    details = MessageToDict(answer.errors[0], descriptor_pool=pool)["details"]
    check([detail["@type"].split(".")[-1] for detail in details], ["ErrorInfo"])
    try:
        call(request(user_id="missing"), timeout=60)
        raise AssertionError("a required part may fail")
    except grpc.RpcError as error:
        check((error.code(), error.details()), (grpc.StatusCode.NOT_FOUND, "There is no such user."))
    stream = channel.unary_stream(
        f"/{SERVICE}/GetDashboardParts",
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    messages = list(stream(request(user_id="ann"), timeout=60))
    found = sorted(field.name for message in messages for field, _ in message.ListFields())
    check(found, ["offers", "orders", "prices", "user"])


def by_soap():
    client = zeep.Client(f"http://{ADDRESS}/soap/{SERVICE}?wsdl")
    answer = client.service.GetDashboard(userId="ann")
    check((answer.user.name, [price.cents for price in answer.prices]), ("User ann", [100, 200, 300]))
    check(answer.offers.offers, OFFERS)
    answer = client.service.GetDashboard(userId="failing")
    check((answer.orders, [error.part for error in answer.errors]), (None, ["orders", "prices", "offers"]))
    try:
        client.service.GetDashboard(userId="missing")
        raise AssertionError("a required part may fail")
    except zeep.exceptions.Fault as fault:
        check(fault.message, "There is no such user.")


def by_websocket():
    for path in ["/v1/dashboard/ann", f"/ws/{SERVICE}/GetDashboard?userId=ann"]:
        socket = connect(f"ws://{ADDRESS}{path}", subprotocols=["transom.json"], compression=None, legacy=True)
        answer = json.loads(socket.recv(timeout=60))
        check((answer["user"]["name"], answer["offers"]["offers"]), ("User ann", OFFERS))
        try:
            socket.recv(timeout=60)
            raise AssertionError("there is more than one answer")
        except ConnectionClosed as closed:
            check(closed.rcvd.code, 1000)
    socket = connect(f"ws://{ADDRESS}/ws/{SERVICE}/GetDashboardParts?userId=ann", subprotocols=["transom.json"], legacy=True)
    parts = [key for message in socket for key in json.loads(message)]
    check(sorted(parts), ["offers", "orders", "prices", "user"])


by_grpc()
by_soap()
by_websocket()
