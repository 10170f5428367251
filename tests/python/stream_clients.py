"""Calls methods that stream with httpx, and with h2 frame by frame."""

import argparse
import json
import socket
import urllib.parse

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import httpx

LINES = {"accept": "application/x-ndjson"}


def with_httpx(url, http2):
    with httpx.Client(http1=not http2, http2=http2, timeout=30) as client:
        expected = [{"number": number, "text": "xx"} for number in range(1, 101)]
        with client.stream("GET", f"{url}/v1/watch/httpx?count=100&size=2", headers=LINES) as answer:
            assert answer.headers["content-type"] == LINES["accept"]
            assert [json.loads(line) for line in answer.iter_lines()] == expected
        assert client.get(f"{url}/v1/watch/httpx?count=100&size=2").json() == expected

        def messages():
            for number in range(100):
                yield json.dumps({"text": "x" * number}).encode() + b"\n"

        answer = client.post(f"{url}/v1/gather/httpx", content=messages())
        assert answer.json()["count"] == 100, answer.text
        with client.stream("POST", f"{url}/v1/chat/httpx", content=messages(), headers=LINES) as answer:
            assert [len(json.loads(line).get("text", "")) for line in answer.iter_lines()] == list(range(100))

        # One that is left in the middle does not cost the client's connection the next call.
        with client.stream("GET", f"{url}/v1/watch/httpx?count=1000000&size=100", headers=LINES) as answer:
            next(answer.iter_lines())
        assert client.get(f"{url}/v1/echo/after").json() == {"string": "after"}


class Connection:
    """One HTTP/2 connection without TLS."""

    def __init__(self, url, window):
        self.host = urllib.parse.urlsplit(url).netloc
        host, port = self.host.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.h2.increment_flow_control_window(1 << 30)
        self.data, self.heads, self.ended, self.resets = {}, {}, set(), {}
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def open(self, method, path, headers=LINES, end=False):
        stream = self.h2.get_next_available_stream_id()
        pseudo = {":method": method, ":scheme": "http", ":authority": self.host, ":path": path}
        self.h2.send_headers(stream, list((pseudo | headers).items()), end_stream=end)
        self.data[stream] = b""
        self.flush()
        return stream

    def send(self, stream, text, end=False):
        self.h2.send_data(stream, text.encode(), end_stream=end)
        self.flush()

    def read_until(self, condition):
        while not condition():
            received = self.socket.recv(1 << 16)
            assert received, "the gateway closed the connection"
            for event in self.h2.receive_data(received):
                if isinstance(event, h2.events.ResponseReceived):
                    self.heads[event.stream_id] = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    self.data[event.stream_id] += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    self.ended.add(event.stream_id)
                elif isinstance(event, h2.events.StreamReset):
                    self.resets[event.stream_id] = event.error_code
                assert not isinstance(event, h2.events.ConnectionTerminated), event
            self.flush()

    def line(self, stream):
        self.read_until(lambda: b"\n" in self.data[stream])
        line, self.data[stream] = self.data[stream].split(b"\n", 1)
        return json.loads(line)

    def rest(self, stream):
        self.read_until(lambda: stream in self.ended)
        return self.data[stream]

    def reaches(self, state, id):
        answer = json.loads(self.rest(self.open("GET", f"/v1/await/{state}/{id}", {}, end=True)))
        assert answer["reached"], f"{id} is not {state}"


def with_h2(url):
    # The windows of streams that nobody opens are soon full.
    connection = Connection(url, window=1000)
    unread = [connection.open("GET", f"/v1/watch/unread-{n}?count=1000000&size=100", end=True) for n in range(5)]
    for stream in unread:
        connection.read_until(lambda stream=stream: len(connection.data[stream]) == 1000)

    # On the same connection both directions of another stream go on meanwhile.
    chat = connection.open("POST", "/v1/chat/h2")
    for number in range(1, 30):
        connection.send(chat, json.dumps({"text": str(number)}))
        connection.read_until(lambda: b"\n" in connection.data[chat])
        connection.h2.increment_flow_control_window(100, chat)
        assert connection.line(chat) == {"number": number, "text": str(number)}
    connection.send(chat, "", end=True)
    assert connection.rest(chat) == b""
    assert connection.heads[chat][":status"] == "200"

    # A stream that the client resets is cancelled at the backend, and only that one.
    for number, stream in enumerate(unread):
        assert len(connection.data[stream]) == 1000, "more came than the window allows"
        connection.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        connection.flush()
        connection.reaches("CANCELLED", f"unread-{number}")

    # An upload that is refused is answered before it ends, and the client is told to stop.
    upload = connection.open("POST", "/v1/gather/h2")
    connection.send(upload, "{} {]")
    connection.read_until(lambda: upload in connection.ended or upload in connection.resets)
    assert connection.heads[upload][":status"] == "400", connection.heads[upload]
    assert json.loads(connection.data[upload])["code"] == 3
    assert connection.resets.get(upload, 0) == h2.errors.ErrorCodes.NO_ERROR
    connection.reaches("STARTED", "h2")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gateway", help="its URL")
    url = parser.parse_args().gateway.rstrip("/")
    with_httpx(url, http2=False)
    with_httpx(url, http2=True)
    with_h2(url)
    print("all clients were served")


if __name__ == "__main__":
    main()
