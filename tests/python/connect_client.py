"""Calls every kind of method with Connect's client for Python, in each protocol that it speaks."""

import argparse
import os
import sys

import grpc
import pyqwest
from connectrpc.client import ConnectClientSync, ResponseMetadata
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, _ = grpc.protos_and_services("echo.proto")


def method(name, request, response, stream_type=StreamType.UNARY, level=IdempotencyLevel.UNKNOWN):
    service, name = name.split("/")
    return MethodInfo(
        name=name,
        service_name=f"echo.v1.{service}",
        input=request,
        output=response,
        stream_type=stream_type,
        idempotency_level=level,
    )


ECHO = method("Echo/Echo", pb.Everything, pb.Everything, level=IdempotencyLevel.NO_SIDE_EFFECTS)
METADATA = method("Echo/Metadata", pb.MetadataRequest, pb.MetadataResponse)
FAIL = method("Echo/Fail", pb.FailRequest, pb.Everything)
WATCH = method("Streams/Watch", pb.WatchRequest, pb.Item, StreamType.SERVER_STREAM)
GATHER = method("Streams/Gather", pb.Item, pb.GatherResponse, StreamType.CLIENT_STREAM)
CHAT = method("Streams/Chat", pb.Item, pb.Item, StreamType.BIDI_STREAM)


def fails(call):
    try:
        call()
    except ConnectError as error:
        return error
    raise AssertionError("the call did not fail")


def call_every_kind(client, use_get):
    message = pb.Everything(string="ü☺", int64=-5, bytes=b"\0\xff")
    assert client.execute_unary(request=message, method=ECHO, use_get=use_get) == message
    entry = pb.Entry(key="x-initial", text="a")
    with ResponseMetadata() as answered:
        request = pb.MetadataRequest(initial=[entry], trailing=[pb.Entry(key="x-trailing", text="b")])
        answer = client.execute_unary(request=request, method=METADATA, headers={"x-custom": "1"})
    assert pb.Entry(key="x-custom", text="1") in answer.received, answer
    assert answered.headers["x-initial"] == "a", answered.headers
    assert answered.trailers["x-trailing"] == "b", answered.trailers

    request = pb.FailRequest()
    request.status.code, request.status.message = 9, "not ☺ now"
    error = fails(lambda: client.execute_unary(request=request, method=FAIL))
    assert (error.code, error.message) == (Code.FAILED_PRECONDITION, "not ☺ now"), error

    watch = pb.WatchRequest(id="python", count=20, size=3)
    items = client.execute_server_stream(request=watch, method=WATCH)
    assert [item.number for item in items] == list(range(1, 21))
    watch.code = 8
    error = fails(lambda: list(client.execute_server_stream(request=watch, method=WATCH)))
    assert (error.code, error.message) == (Code.RESOURCE_EXHAUSTED, "Told to fail."), error

    sent = [pb.Item(id="python", text="x" * size) for size in range(10)]
    answer = client.execute_client_stream(request=iter(sent), method=GATHER)
    assert (answer.count, answer.size) == (10, 45), answer
    items = client.execute_bidi_stream(request=iter(sent), method=CHAT)
    assert [len(item.text) for item in items] == list(range(10))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    url = parser.parse_args().url
    http_client = pyqwest.SyncClient(pyqwest.SyncHTTPTransport(http_version=pyqwest.HTTPVersion.HTTP2))
    for protocol in ProtocolType:
        for codec in (google_protobuf_binary_codec(), google_protobuf_json_codec()):
            if codec.name() == "json" and protocol != ProtocolType.CONNECT:
                continue
            client = ConnectClientSync(url, protocol=protocol, codec=codec, http_client=http_client)
            print(protocol, codec.name(), flush=True)
            call_every_kind(client, use_get=protocol == ProtocolType.CONNECT)


if __name__ == "__main__":
    main()
