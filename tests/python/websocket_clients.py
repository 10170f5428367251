"""Calls methods of each kind with the library `websockets`, in both subprotocols, as its users would."""

import argparse
import json
import os
import struct
import sys
import urllib.request

import grpc
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb = grpc.protos("echo.proto")

STATUS = "type.googleapis.com/google.rpc.Status"


class Client:
    def __init__(self, url):
        self.url = url

    def connect(self, path, **options):
        # Not as a context manager: most sockets are read until the server closes them.
        return connect(self.url.replace("http", "ws", 1) + path, legacy=True, **options)

    def open(self, path, subprotocol="transom.json", others=(), **options):
        """A socket whose server chose the subprotocol."""
        offered = [subprotocol, *others]
        socket = self.connect(path, subprotocols=offered, compression=None, **options)
        assert socket.subprotocol == subprotocol, socket.subprotocol
        return socket

    def refused(self, path, subprotocols=("transom.json",), **options):
        """The status and the JSON with which a handshake is refused."""
        try:
            self.connect(path, subprotocols=list(subprotocols), **options).close()
        except InvalidStatus as error:
            return error.response.status_code, json.loads(error.response.body)
        raise AssertionError(f"{path} was granted")

    def reaches(self, state, id):
        with urllib.request.urlopen(f"{self.url}/v1/await/{state}/{id}") as answer:
            answer = json.load(answer)
        assert answer.get("reached"), f"{id} is not {state}"
        return answer.get("messages", 0)


def rest(socket):
    """All that comes until the socket is closed, the code and the reason."""
    seen = []
    try:
        while True:
            message = socket.recv(timeout=30)
            seen.append(json.loads(message) if isinstance(message, str) else message)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None, f"closed without a frame after {seen}"
        return seen, closed.rcvd.code, closed.rcvd.reason


def send(socket, *messages):
    for message in messages:
        socket.send(json.dumps(message))


def each_kind(client):
    """Each of the four kinds by its own route and by name, and where the first message comes from."""
    # Unary, from the path: it starts at the upgrade.
    assert rest(client.open("/v1/echo/h%C3%A9llo")) == ([{"string": "héllo"}], 1000, "")
    # Unary with a body: it starts at the first frame.
    for path in ["/v1/echo", "/ws/echo.v1.Echo/Echo"]:
        socket = client.open(path)
        send(socket, {"int64": 5, "children": [{"bool": True}]})
        assert rest(socket) == ([{"int64": "5", "children": [{"bool": True}]}], 1000, "")
    # By name, from the query.
    assert rest(client.open("/ws/echo.v1.Echo/Echo?string=q&child.int32=7")) == (
        [{"string": "q", "child": {"int32": 7}}],
        1000,
        "",
    )

    # A server stream, from path and query, and from a frame.
    items = [{"number": number, "text": "xx"} for number in range(1, 51)]
    assert rest(client.open("/v1/watch/ws?count=50&size=2")) == (items, 1000, "")
    assert rest(client.open("/ws/echo.v1.Streams/Watch?id=ws&count=50&size=2")) == (items, 1000, "")
    socket = client.open("/ws/echo.v1.Streams/Watch")
    send(socket, {"id": "ws", "count": 50, "size": 2})
    assert rest(socket) == (items, 1000, "")

    # A client stream; an empty text ends the messages.
    for path in ["/v1/gather/ws", "/ws/echo.v1.Streams/Gather"]:
        socket = client.open(path)
        send(socket, *({"text": "x" * size} for size in range(100)))
        socket.send("")
        (answer,), code, reason = rest(socket)
        assert (answer["count"], answer["size"], code, reason) == (100, "4950", 1000, "")
    # One without any message: the path is not a message by itself.
    socket = client.open("/ws/echo.v1.Streams/Gather")
    socket.send("")
    (answer,), code, _ = rest(socket)
    assert ("count" not in answer, code) == (True, 1000)

    # Both directions: each is answered before the next.
    for path in ["/v1/chat/ws-both", "/ws/echo.v1.Streams/Chat"]:
        socket = client.open(path)
        for number in range(1, 101):
            send(socket, {"text": f"message {number}"})
            assert json.loads(socket.recv(timeout=30)) == {"number": number, "text": f"message {number}"}
        socket.send("")
        assert rest(socket) == ([], 1000, "")


def sent_once(client):
    """A method that takes one message is not sent another."""
    socket = client.open("/ws/echo.v1.Echo/Wait")
    send(socket, {"id": "twice", "time": "30s"})
    client.reaches("STARTED", "twice")
    send(socket, {})
    seen, code, reason = rest(socket)
    assert (code, len(seen)) == (4003, 1), (seen, code, reason)
    assert seen[0]["error"]["@type"] == STATUS and seen[0]["error"]["code"] == 3, seen
    client.reaches("CANCELLED", "twice")
    # Nor one behind the end of the messages.
    socket = client.open("/v1/chat/behind")
    send(socket, {"text": "one", "hang": True})
    socket.send("")
    send(socket, {"text": "two"})
    _, code, _ = rest(socket)
    assert code == 4003, code


def failures(client):
    """How calls end that fail: with a frame that has all, and a code that says which."""
    for count in [0, 2]:
        seen, code, reason = rest(client.open(f"/v1/watch/ws?count={count}&code=5"))
        items = [{"number": number} for number in range(1, count + 1)]
        error = {"@type": STATUS, "code": 5, "message": "Told to fail.", "details": []}
        assert (seen, code, reason) == ([*items, {"error": error}], 4005, "Told to fail."), (seen, code, reason)
        assert next(iter(seen[-1]["error"])) == "@type"

    details = [{"@type": "type.googleapis.com/echo.v1.Entry", "key": "reason"}]
    for number in range(1, 17):
        socket = client.open("/v1/fail")
        long = "Ünlucky. " * 40
        send(socket, {"status": {"code": number, "message": long, "details": details}})
        (frame,), code, reason = rest(socket)
        assert code == 4000 + number
        if number == 2:
            assert frame["error"]["message"] == "The backend failed.", frame
            continue
        assert (frame["error"]["message"], frame["error"]["details"]) == (long, details), frame
        cut = reason.encode()
        assert long.startswith(reason) and 121 <= len(cut) <= 123, reason

    # What the client did wrong is named.
    socket = client.open("/v1/chat/wrong")
    send(socket, {"text": "right"})
    assert json.loads(socket.recv(timeout=30)) == {"number": 1, "text": "right"}
    send(socket, {"txt": "wrong"})
    (frame,), code, _ = rest(socket)
    assert (code, frame["error"]["code"]) == (4003, 3)
    assert "txt" in json.dumps(frame), frame
    client.reaches("CANCELLED", "wrong")
    socket = client.open("/v1/chat/no-json")
    socket.send("{")
    assert rest(socket)[1] == 4003
    socket = client.open("/v1/chat/binary")
    socket.send(b"{}")
    assert rest(socket)[1] == 1003
    socket = client.open("/v1/chat/large")
    socket.send(json.dumps({"text": "x" * (1 << 20)}))
    assert rest(socket)[1] == 1009

    # What is wrong before the upgrade is an ordinary answer.
    for path, status in [
        ("/v1/watch/ws?nothing=1", 400),
        ("/v1/watch/ws?count=many", 400),
        ("/v1/nothing", 404),
        ("/ws/echo.v1.Streams/Nothing", 404),
        ("/ws/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", 404),
    ]:
        assert client.refused(path)[0] == status, path


def ends(client):
    """A socket that closes cancels its call, however it closes."""
    for id, leave in [
        ("ws-closed", lambda socket: socket.close()),
        ("ws-cut", lambda socket: socket.socket.shutdown(2)),
        ("ws-coded", lambda socket: socket.close(4999, "enough")),
    ]:
        for path in [f"/v1/watch/{id}?count=1&hang=true", f"/v1/chat/{id}-both"]:
            socket = client.open(path)
            if "chat" in path:
                send(socket, {"text": "one"})
            assert json.loads(socket.recv(timeout=30))["number"] == 1
            leave(socket)
        client.reaches("CANCELLED", id)
        client.reaches("CANCELLED", f"{id}-both")
        socket.socket.close()
    # A ping of the client is answered while the call goes on.
    with client.open("/v1/chat/pinged") as socket:
        assert socket.ping(b"here?").wait(30)
        send(socket, {"text": "one"})
        assert json.loads(socket.recv(timeout=30)) == {"number": 1, "text": "one"}


def trailers(client):
    """Trailing metadata, for those who ask for it."""
    request = {"trailing": [{"key": "x-trailing", "text": "b"}, {"key": "x-trailing-bin", "binary": "AAH+"}]}
    socket = client.open("/v1/metadata?trailers=1")
    send(socket, request)
    (answer, end), code, _ = rest(socket)
    assert ("received" in answer, code) == (True, 1000)
    assert list(end) == ["@end"], end
    text = json.dumps(end["@end"])
    assert '"x-trailing"' in text and '"b"' in text and '"x-trailing-bin"' in text, text
    socket = client.open("/v1/metadata")
    send(socket, request)
    assert len(rest(socket)[0]) == 1


def envelope(message, flags=0):
    data = message if isinstance(message, bytes) else message.SerializeToString()
    return struct.pack(">BI", flags, len(data)) + data


def opened(frame):
    flags, length = struct.unpack(">BI", frame[:5])
    assert length == len(frame) - 5
    return flags, frame[5:]


def in_protobuf(client):
    """The second subprotocol: envelopes in binary frames, the last one with JSON."""

    def ended(frames, code=0):
        *items, last = frames
        flags, end = opened(last)
        assert flags == 2, flags
        end = json.loads(end)
        assert end.get("code", 0) == code, end
        for item in items:
            assert opened(item)[0] == 0
        return [opened(item)[1] for item in items]

    frames, code, _ = rest(client.open("/v1/watch/pb?count=3&size=2", "transom.proto"))
    assert code == 1000
    assert [pb.Item.FromString(item).number for item in ended(frames)] == [1, 2, 3]
    frames, code, reason = rest(client.open("/v1/watch/pb?count=1&code=7", "transom.proto"))
    assert (code, reason, len(ended(frames, 7))) == (4007, "Told to fail.", 1)

    socket = client.open("/ws/echo.v1.Streams/Chat", "transom.proto")
    for number in range(1, 51):
        socket.send(envelope(pb.Item(id="pb", text=str(number))))
        flags, data = opened(socket.recv(timeout=30))
        item = pb.Item.FromString(data)
        assert (flags, item.number, item.text) == (0, number, str(number))
    # The end of the client's messages is an envelope too.
    socket.send(envelope(b"{}", 2))
    frames, code, _ = rest(socket)
    assert (ended(frames), code) == ([], 1000)

    socket = client.open("/v1/gather/pb", "transom.proto")
    for _ in range(10):
        socket.send(envelope(pb.Item(text="12345")))
    socket.send(envelope(b"", 2))
    frames, code, _ = rest(socket)
    gathered = pb.GatherResponse.FromString(ended(frames)[0])
    assert (gathered.count, gathered.size, code) == (10, 50, 1000)

    socket = client.open("/v1/echo", "transom.proto")
    socket.send(envelope(pb.Everything(string="ü", int64=-1)))
    frames, code, _ = rest(socket)
    echoed = pb.Everything.FromString(ended(frames)[0])
    assert (echoed.string, echoed.int64, code) == ("ü", -1, 1000)

    for wrong in ["{}", b"\0\0\0\0", envelope(b"abc")[:-1], envelope(b"\xff\xff"), envelope(b"", 0x40), envelope(b"", 1)]:
        socket = client.open("/v1/echo", "transom.proto")
        socket.send(wrong)
        code = rest(socket)[1]
        assert code in ([1003] if wrong == "{}" else [1002, 1003, 1007, 4003, 4012, 4013]), (wrong, code)


def credentials(client, token):
    """A browser cannot set a header: what it offers otherwise arrives as one."""

    def received(socket):
        send(socket, {})
        answer, code, _ = rest(socket)
        assert code == 1000
        return {entry["key"]: entry.get("text") for entry in answer[0]["received"]}

    path = "/v1/metadata"
    assert received(client.open(path, others=[f"bearer.{token}"]))["authorization"] == f"Bearer {token}"
    assert received(client.open(f"{path}?access_token={token}"))["authorization"] == f"Bearer {token}"
    header = {"authorization": f"Bearer {token}"}
    assert received(client.open(path, additional_headers=header))["authorization"] == f"Bearer {token}"
    assert "authorization" not in received(client.open(path))
    # It is not a subprotocol that could be spoken.
    status, error = client.refused(path, [f"bearer.{token}"])
    assert (status, error["code"]) == (400, 3), (status, error)
    assert token not in json.dumps(error)
    status, error = client.refused(path, ["soap", "mqtt"])
    assert status == 400, (status, error)


def origins(client, allowed):
    """Pages of others are kept out, and the server's own let in."""
    path = "/v1/chat/origin"
    for origin in [None, allowed, client.url]:
        socket = client.open(path, origin=origin)
        send(socket, {})
        assert json.loads(socket.recv(timeout=30)) == {"number": 1}
        socket.close()
    for origin in ["https://other.example", "null", "https://shop.example.evil.example", "http://shop.example"]:
        status, error = client.refused(path, origin=origin)
        assert (status, error["code"]) == (403, 7), (origin, status, error)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where the gateway is")
    parser.add_argument("--token", required=True, help="a token that must be in no log")
    parser.add_argument("--origin", required=True, help="the origin that is allowed")
    arguments = parser.parse_args()
    client = Client(arguments.url.rstrip("/"))
    each_kind(client)
    sent_once(client)
    failures(client)
    ends(client)
    trailers(client)
    in_protobuf(client)
    credentials(client, arguments.token)
    origins(client, arguments.origin)
    print("all calls were right")


if __name__ == "__main__":
    main()
