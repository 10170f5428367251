"""Calls versions of the users by the gateway at the given address, in the dialects that have clients of their own: gRPC, SOAP
by the WSDL, a WebSocket."""

import json
import sys

import grpc
import requests
import zeep
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

ADDRESS = sys.argv[1]
METHOD = "/shop.Users/GetUser"
# Field 1 is "7".
REQUEST = b"\x0a\x017"
FIRST, SECOND = b"\x0a\x017\x12\x05Ann 7", b"\x0a\x017\x1a\x03Ann\x22\x017"
TOLD = {
    "deprecation": "@1767225600",
    "sunset": "Fri, 31 Dec 9999 00:00:00 GMT",
}


def check(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def by_grpc():
    channel = grpc.insecure_channel(ADDRESS)
    call = channel.unary_unary(METHOD)
    for metadata, expected in [
        ((), SECOND),
        ((("x-api-version", "1"),), FIRST),
        ((("x-api-version", "2"),), SECOND),
    ]:
        answer, details = call.with_call(REQUEST, metadata=metadata, timeout=60)
        check(answer, expected)
        initial = dict(details.initial_metadata())
        told = {name: initial[name] for name in TOLD if name in initial}
        check(told, TOLD if expected == FIRST else {})
    # A channel for a host of its own.
    channel = grpc.insecure_channel(ADDRESS, options=[("grpc.default_authority", "first.example")])
    check(channel.unary_unary(METHOD)(REQUEST, timeout=60), FIRST)
    # What a version does not have, and one that has ended.
    for metadata, path, text in [
        ((("x-api-version", "1"),), "/shop.Users/ListUsers", "There is no method /shop.Users/ListUsers for gRPC."),
        ((("x-api-version", "0"),), METHOD, "The version v0 of this API has ended on 2020-01-01T00:00:00Z."),
        ((("x-api-version", "0"),), "/shop.Pages/GetPage", "The version v0 of this API has ended on 2020-01-01T00:00:00Z."),
        ((("x-api-version", "gone"),), METHOD, "The version gone of this API has ended on 2020-01-01T00:00:00Z."),
    ]:
        try:
            channel = grpc.insecure_channel(ADDRESS)
            channel.unary_unary(path)(REQUEST, metadata=metadata, timeout=60)
            raise AssertionError(f"{path} is answered to {metadata}")
        except grpc.RpcError as error:
            check((error.code(), error.details()), (grpc.StatusCode.UNIMPLEMENTED, text))


def by_soap():
    for prefix, answer in [("", ("Ann", "7")), ("/v1", ("Ann 7",)), ("/v2", ("Ann", "7"))]:
        client = zeep.Client(f"http://{ADDRESS}{prefix}/soap/shop.Users?wsdl")
        ports = client.wsdl.services["Users"].ports.values()
        addresses = {port.binding_options["address"] for port in ports}
        check(addresses, {f"http://{ADDRESS}{prefix}/soap/shop.Users"})
        user = client.service.GetUser(id="7")
        names = (user.name,) if prefix == "/v1" else (user.givenName, user.familyName)
        check(names, answer)
    session = requests.Session()
    session.headers["x-api-version"] = "1"
    client = zeep.Client(
        f"http://{ADDRESS}/soap/shop.Users?wsdl", transport=zeep.Transport(session=session)
    )
    check(client.service.GetUser(id="7").name, "Ann 7")


def socket(path, **options):
    return connect(f"ws://{ADDRESS}{path}", subprotocols=["transom.json"], compression=None, **options)


def by_websocket():
    first, second = {"id": "7", "name": "Ann 7"}, {"id": "7", "givenName": "Ann", "familyName": "7"}
    for path, headers, expected in [
        ("/v1/users/7", {}, first),
        ("/v1/ws/shop.Users/GetUser?id=7", {}, first),
        ("/v2/users/7", {}, second),
        ("/v2/ws/shop.Users/GetUser?id=7", {}, second),
        ("/ws/shop.Users/GetUser?id=7", {}, second),
        ("/ws/shop.Users/GetUser?id=7", {"x-api-version": "1"}, first),
        ("/ws/shop.Users/GetUser?id=7&version=1", {}, first),
    ]:
        with socket(path, additional_headers=headers) as open:
            check(json.loads(open.recv(timeout=60)), expected)
            if expected == first:
                check({name: open.response.headers[name] for name in TOLD}, TOLD)
    for path, status in [("/v1/ws/shop.Users/ListUsers", 404), ("/v0/ws/shop.Users/GetUser", 410), ("/gone/ws/a.B/C", 410)]:
        try:
            socket(path)
            raise AssertionError(f"{path} opens a socket")
        except InvalidStatus as refused:
            check(refused.response.status_code, status)


by_grpc()
by_soap()
by_websocket()
