"""Calls the translated service of the gateway at the given address in the dialects that have clients of their own: gRPC by
what reflection tells, SOAP by the WSDL, a WebSocket."""

import json
import sys

import grpc
import zeep
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from websockets.sync.client import connect

ADDRESS = sys.argv[1]
SERVICE = "members.v1.Members"


def check(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def by_grpc():
    channel = grpc.insecure_channel(ADDRESS)
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    methods = pool.FindServiceByName(SERVICE).methods_by_name

    def types(name):
        method = methods[name]
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        return {"request_serializer": request.SerializeToString, "response_deserializer": response.FromString}, request

    kinds, request = types("GetMember")
    call = channel.unary_unary(f"/{SERVICE}/GetMember", **kinds)
    # A compressed request is read as well.
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        answer = call(request(id="ann"), timeout=60, compression=compression)
        check((answer.id, answer.name, answer.city, answer.role, answer.points), ("ann", "Member ann", "Linz", 1, 7))
        check([(friend.id, friend.role, dict(friend.counts)) for friend in answer.friends], [("bob", 0, {"tenant": 4})])
        # Nothing that callers do not know comes along.
        wire = answer.SerializeToString()
        answer.DiscardUnknownFields()
        check(len(answer.SerializeToString()), len(wire))
    for id, code, text in (
        ("missing", grpc.StatusCode.NOT_FOUND, "There is no such member."),
        (
            "rich",
            grpc.StatusCode.INTERNAL,
            'The answer of members.v2.Members/FetchMember cannot be shown: the field "points" is 1099511627776, which does '
            "not fit into int32.",
        ),
    ):
        try:
            call(request(id=id), timeout=60)
            raise AssertionError(f"{id} is an error")
        except grpc.RpcError as error:
            check((error.code(), error.details()), (code, text))

    kinds, request = types("Search")
    stream = channel.unary_stream(f"/{SERVICE}/Search", **kinds)
    check([answer.name for answer in stream(request(text="ann,bob"), timeout=60)], ["Member ann", "Member bob"])
    found = []
    try:
        for answer in stream(request(text="ann,rich,bob"), timeout=60):
            found.append(answer.id)
        raise AssertionError("one of them does not fit")
    except grpc.RpcError as error:
        check((found, error.code()), (["ann"], grpc.StatusCode.INTERNAL))

    kinds, member = types("Import")
    call = channel.stream_unary(f"/{SERVICE}/Import", **kinds)
    answer = call((member(id=id, city="Graz", role=1) for id in "ab"), timeout=60)
    check([(one.id, one.city, one.role) for one in answer.members], [("a", "Graz", 1), ("b", "Graz", 1)])
    kinds, member = types("Talk")
    call = channel.stream_stream(f"/{SERVICE}/Talk", **kinds)
    answers = [MessageToDict(answer) for answer in call((member(city=city) for city in ("Graz", "Linz")), timeout=60)]
    check(answers, [{"city": city, "friends": [{"id": city}]} for city in ("Graz", "Linz")])


def by_soap():
    client = zeep.Client(f"http://{ADDRESS}/soap/{SERVICE}?wsdl")
    answer = client.service.GetMember(id="ann")
    check((answer.name, answer.city, answer.role, answer.friends[0].id), ("Member ann", "Linz", "ADMIN", "bob"))
    try:
        client.service.GetMember(id="missing")
        raise AssertionError("nobody is called so")
    except zeep.exceptions.Fault as fault:
        check(fault.message, "There is no such member.")


def by_websocket():
    with connect(f"ws://{ADDRESS}/ws/{SERVICE}/Talk", subprotocols=["transom.json"]) as socket:
        for city in ("Graz", "Linz"):
            socket.send(json.dumps({"city": city, "role": "ADMIN"}))
            friend = {"id": city, "role": "ADMIN"}
            check(json.loads(socket.recv(timeout=60)), {"city": city, "role": "ADMIN", "friends": [friend]})
        socket.send("")


by_grpc()
by_soap()
by_websocket()
