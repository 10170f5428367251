"""Clients that others wrote, before, during and after maintenance, and along redirects: httpx, grpcio, Connect's client, zeep
and websockets. The gateway is in front of the echo server."""

import argparse
import json
import os
import sys

import grpc
import httpx
import zeep
from connectrpc.client import ConnectClientSync
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("echo.proto")

ECHO = MethodInfo(
    name="Echo",
    service_name="echo.v1.Echo",
    input=pb.Everything,
    output=pb.Everything,
    stream_type=StreamType.UNARY,
    idempotency_level=IdempotencyLevel.UNKNOWN,
)
TEXT = "Back at ten."


def check(found, expected, what):
    assert found == expected, f"{what}: {found!r} is not {expected!r}"


def redirects(url):
    """httpx goes where it is sent, with the method that the status asks for."""
    for options in [{}, {"http1": False, "http2": True}]:
        with httpx.Client(base_url=url, follow_redirects=True, timeout=60, **options) as client:
            answer = client.get("/old/a%2Fb%20c?int32=1&strings=%26")
            check(answer.json(), {"string": "a/b c", "int32": 1, "strings": ["&"]}, "GET")
            check((answer.url.raw_path, len(answer.history)), (b"/v1/echo/a%2Fb%20c?int32=1&strings=%26", 1), "GET")
            answer = client.post("/moved", json={"string": "x"})
            check((answer.json(), answer.history[0].status_code), ({"string": "x"}, 308), "308 keeps the method")
            answer = client.post("/seen", json={"string": "x"})
            check((answer.text, answer.request.method), ("seen\n", "GET"), "303 changes it")
            check(client.get("/api/v1/echo/a").json(), {"string": "a"}, "a rewrite")


class Clients:
    def __init__(self, url):
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=60)
        self.http2 = httpx.Client(base_url=url, http1=False, http2=True, timeout=60)
        self.channel = grpc.insecure_channel(url.removeprefix("http://"))
        self.echo = services.EchoStub(self.channel)
        self.streams = services.StreamsStub(self.channel)
        self.connect = ConnectClientSync(url, codec=google_protobuf_binary_codec())
        soap = zeep.Client(f"{url}/soap/echo.v1.Echo?wsdl")
        self.soap = [soap.bind("Echo", f"Echo{version}") for version in ["Soap11", "Soap12"]]

    def serve(self):
        """Everything is answered."""
        check(self.http.get("/v1/echo/a").json(), {"string": "a"}, "httpx")
        check(self.echo.Echo(pb.Everything(string="a"), timeout=20).string, "a", "grpcio")
        check(self.connect.execute_unary(request=pb.Everything(string="a"), method=ECHO).string, "a", "Connect")
        for soap in self.soap:
            check(soap.Echo(string="a")["string"], "a", "zeep")
        self.socket().close()

    def socket(self):
        return connect(self.url.replace("http", "ws", 1) + "/ws/echo.v1.Streams/Chat", subprotocols=["transom.json"], legacy=True)

    def are_closed(self, wait):
        """Everything is refused, in the form of each."""
        for client in [self.http, self.http2]:
            answer = client.get("/v1/echo/a")
            check((answer.status_code, answer.headers["retry-after"]), (503, wait), "httpx")
            check((answer.json()["code"], answer.json()["message"]), (14, TEXT), "httpx")
        try:
            self.echo.Echo(pb.Everything(), timeout=20)
            raise AssertionError("grpcio was answered")
        except grpc.RpcError as error:
            check((error.code(), error.details()), (grpc.StatusCode.UNAVAILABLE, TEXT), "grpcio")
            told = dict([*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())])
            check(told.get("retry-after"), wait, "grpcio")
        try:
            self.connect.execute_unary(request=pb.Everything(), method=ECHO)
            raise AssertionError("Connect was answered")
        except ConnectError as error:
            check((error.code, error.message), (Code.UNAVAILABLE, TEXT), "Connect")
        for soap in self.soap:
            try:
                soap.Echo(string="a")
                raise AssertionError("zeep was answered")
            except zeep.exceptions.Fault as fault:
                check(fault.message, TEXT, "zeep")
        try:
            self.socket()
            raise AssertionError("the socket was opened")
        except InvalidStatus as error:
            response = error.response
            check((response.status_code, response.headers["retry-after"]), (503, wait), "websockets")
            check(json.loads(response.body)["message"], TEXT, "websockets")


def maintenance(url, admin):
    clients = Clients(url)
    clients.serve()
    # What goes on goes on.
    socket = clients.socket()
    socket.send(json.dumps({"text": "1"}))
    first = json.loads(socket.recv(timeout=20))
    order = {"message": TEXT, "retry_after": 77}
    answer = httpx.post(f"{admin}/maintenance", json=order)
    expected = {"maintenance": True, "message": TEXT, "retry_after": 77, "by_file": False, "by_operator": True}
    check((answer.status_code, answer.json()), (200, expected), "the order")
    clients.are_closed("77")
    socket.send(json.dumps({"text": "2"}))
    second = json.loads(socket.recv(timeout=20))
    assert first and second, (first, second)
    socket.close()
    check(httpx.post(f"{admin}/reload").status_code, 200, "a reload")
    clients.are_closed("77")
    answer = httpx.delete(f"{admin}/maintenance")
    check((answer.status_code, answer.json()["maintenance"]), (200, False), "its end")
    clients.serve()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("admin", nargs="?")
    arguments = parser.parse_args()
    if arguments.admin:
        maintenance(arguments.url, arguments.admin)
    else:
        redirects(arguments.url)


if __name__ == "__main__":
    main()
