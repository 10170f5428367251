"""WebSockets over HTTP/2 (RFC 8441), frame by frame with h2: many sockets beside other calls on one connection."""

import argparse
import json
import socket
import urllib.parse

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

# FIN and the opcodes of RFC 6455, section 5.2.
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A


class Connection:
    """One HTTP/2 connection without TLS, whose window is what it is told."""

    def __init__(self, url, window=65_535):
        self.host = urllib.parse.urlsplit(url).netloc
        host, port = self.host.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.data, self.heads, self.ended, self.resets, self.is_ready = {}, {}, set(), {}, False
        self.flush()
        while not self.is_ready:
            self.read()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def read(self):
        data = self.socket.recv(65_536)
        assert data, "the connection was closed"
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.heads[event.stream_id] = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.data.setdefault(event.stream_id, bytearray()).extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.resets[event.stream_id] = event.error_code
            elif isinstance(event, h2.events.RemoteSettingsChanged):
                self.is_ready = True
            elif isinstance(event, h2.events.ConnectionTerminated):
                raise AssertionError(f"the connection ended: {event}")
        self.flush()

    def ask(self, path, headers=(), protocol="websocket", method="CONNECT", end=False):
        """Asks for a socket and returns its stream, once there is an answer."""
        stream = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":protocol", protocol), (":scheme", "http"), (":path", path), (":authority", self.host)]
        pseudo = [pair for pair in pseudo if pair[1] is not None]
        self.h2.send_headers(stream, [*pseudo, *headers], end_stream=end)
        self.flush()
        while stream not in self.heads and stream not in self.resets:
            self.read()
        return stream

    def open(self, path, protocol="transom.json"):
        stream = self.ask(path, [("sec-websocket-version", "13"), ("sec-websocket-protocol", protocol)])
        head = self.heads[stream]
        assert (head[":status"], head["sec-websocket-protocol"]) == ("200", protocol), head
        # RFC 8441, section 5: there is no key, and so nothing to make of it.
        assert "sec-websocket-accept" not in head and "upgrade" not in head and "connection" not in head, head
        return Socket(self, stream)


class Socket:
    """A WebSocket in one stream."""

    def __init__(self, connection, stream):
        self.connection, self.stream = connection, stream

    def send(self, first, payload):
        mask = b"\x10\x32\x54\x76"
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.connection.h2.send_data(self.stream, bytes([first]) + length + mask + masked)
        self.connection.flush()

    def text(self, message):
        self.send(TEXT, json.dumps(message).encode() if message != "" else b"")

    def next(self):
        """The first byte and the payload of the next frame; None at the end of the stream."""
        connection = self.connection
        data = connection.data.setdefault(self.stream, bytearray())

        def has(count):
            while len(data) < count:
                if self.stream in connection.ended or self.stream in connection.resets:
                    return False
                connection.read()
            return True

        if not has(2):
            assert not data, f"the stream ended within a frame: {data}"
            return None
        head, length = 2, data[1]
        assert length < 128, "a server does not mask"
        if length > 125:
            head = 4 if length == 126 else 10
            assert has(head)
            length = int.from_bytes(data[2:head], "big")
        assert has(head + length)
        first, payload = data[0], bytes(data[head : head + length])
        del data[: head + length]
        return first, payload

    def message(self):
        first, payload = self.next()
        assert first == TEXT, (first, payload)
        return json.loads(payload)

    def closed(self):
        """The code with which the server closes it."""
        first, payload = self.next()
        assert first == CLOSE, (first, payload)
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()


def conversations(connection):
    """Many sockets on one connection, beside an ordinary call."""
    sockets = [connection.open(f"/v1/chat/h2-{number}") for number in range(20)]
    for turn in range(1, 21):
        for number, each in enumerate(sockets):
            each.text({"text": f"{number} says {turn}"})
        for number, each in enumerate(sockets):
            assert each.message() == {"number": turn, "text": f"{number} says {turn}"}
    stream = connection.ask("/v1/echo/beside", protocol=None, method="GET", end=True)
    while stream not in connection.ended:
        connection.read()
    assert json.loads(bytes(connection.data[stream])) == {"string": "beside"}
    for each in sockets[:10]:
        each.text("")
        assert each.closed() == (1000, "")
    for each in sockets[10:]:
        each.send(PING, b"x")
        assert each.next() == (PONG, b"x")
        each.send(CLOSE, (4321).to_bytes(2, "big"))
        assert each.closed()[0] == 4321
    for each in sockets:
        assert each.next() is None, "the stream ends"
    watch = connection.open("/v1/watch/h2?count=3&code=5")
    assert [watch.message()["number"] for _ in range(3)] == [1, 2, 3]
    assert watch.message()["error"]["code"] == 5
    assert watch.closed() == (4005, "Told to fail.")


def ends(connection):
    """A stream that is reset, or ended without a close frame, is a call that is cancelled."""
    reset = connection.open("/v1/watch/h2-reset?count=1&hang=true")
    assert reset.message() == {"number": 1}
    connection.h2.reset_stream(reset.stream, h2.errors.ErrorCodes.CANCEL)
    cut = connection.open("/v1/watch/h2-cut?count=1&hang=true")
    assert cut.message() == {"number": 1}
    connection.h2.end_stream(cut.stream)
    connection.flush()
    for id in ["h2-reset", "h2-cut"]:
        stream = connection.ask(f"/v1/await/CANCELLED/{id}", protocol=None, method="GET", end=True)
        while stream not in connection.ended:
            connection.read()
        assert json.loads(bytes(connection.data[stream])).get("reached"), id


def refusals(connection):
    version = ("sec-websocket-version", "13")
    json_spoken = ("sec-websocket-protocol", "transom.json")
    for name, path, headers, protocol, statuses in [
        ("another protocol", "/v1/chat/x", [version], "connect-udp", {"400", "405", "501"}),
        ("another version", "/v1/chat/x", [("sec-websocket-version", "8")], "websocket", {"400", "426"}),
        ("no version", "/v1/chat/x", [], "websocket", {"400", "426"}),
        ("nothing there", "/v1/nothing", [version, json_spoken], "websocket", {"404"}),
        ("a wrong query", "/v1/watch/x?count=many", [version, json_spoken], "websocket", {"400"}),
        ("a token alone", "/v1/chat/x", [version, ("sec-websocket-protocol", "bearer.x")], "websocket", {"400"}),
        ("another origin", "/v1/chat/x", [version, json_spoken, ("origin", "https://other.example")], "websocket", {"403"}),
    ]:
        stream = connection.ask(path, headers, protocol)
        head = connection.heads.get(stream)
        assert head is not None and head[":status"] in statuses, (name, head, connection.resets)


def slow(url):
    """A window that stays small holds the backend back, and all arrives in the end."""
    connection = Connection(url, window=1_000)
    watch = connection.open("/v1/watch/h2-slow?count=500&size=300")
    for number in range(1, 501):
        message = watch.message()
        assert (message["number"], len(message["text"])) == (number, 300)
    assert watch.closed() == (1000, "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where the gateway is")
    url = parser.parse_args().url
    connection = Connection(url)
    assert connection.h2.remote_settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1
    conversations(connection)
    ends(connection)
    refusals(connection)
    # They did not harm the others.
    conversations(connection)
    slow(url)
    print("all sockets were right")


if __name__ == "__main__":
    main()
