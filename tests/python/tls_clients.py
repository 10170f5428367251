"""Calls a gateway with TLS by httpx, over HTTP/2 too, and by Python's own ssl."""

import argparse
import http.client
import socket
import ssl

import httpx

PATH = "/v1/shelves/fiction"
NAME = "shelves/fiction"


def context(ca, pair=None):
    context = ssl.create_default_context(cafile=ca)
    if pair:
        context.load_cert_chain(*pair)
    return context


def with_httpx(port, ca, pair):
    for http2 in (False, True):
        with httpx.Client(http1=not http2, http2=http2, verify=context(ca, pair), timeout=30) as client:
            url = f"https://localhost:{port}"
            for _ in range(50):
                answer = client.get(url + PATH)
                assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1"), answer.http_version
                assert answer.json()["name"] == NAME
            body = {"filter": {"author": "x" * 60_000}}
            assert client.post(url + "/bookstore.v1.Bookstore/CountBooks", json=body).json() == {}
            assert client.get(url + "/nowhere").status_code == 404


def connect(port, context, name="localhost"):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname=name)


def with_ssl(port, ca, pair, min_version):
    versions = [("TLSv1.2", ssl.TLSVersion.TLSv1_2), ("TLSv1.3", ssl.TLSVersion.TLSv1_3)]
    for name, version in versions:
        one = context(ca, pair)
        one.minimum_version = one.maximum_version = version
        if name == "TLSv1.2" and min_version == "1.3":
            try:
                connect(port, one)
                raise AssertionError("TLS 1.2 was accepted")
            except ssl.SSLError as error:
                assert "PROTOCOL_VERSION" in str(error), error
            continue
        with connect(port, one) as tls:
            assert tls.version() == name
            assert tls.selected_alpn_protocol() is None
            request = f"GET {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            tls.sendall(request.encode())
            answer = http.client.HTTPResponse(tls)
            answer.begin()
            assert (answer.status, NAME in answer.read().decode()) == (200, True)
            # An end that was meant, and not one that somebody made.
            assert tls.recv(1) == b""

    for offered, agreed in [(["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2")]:
        one = context(ca, pair)
        one.set_alpn_protocols(offered)
        with connect(port, one) as tls:
            assert tls.selected_alpn_protocol() == agreed

    old = context(ca, pair)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        connect(port, old)
        raise AssertionError("TLS 1.1 was accepted")
    except ssl.SSLError:
        pass

    # The session comes in a ticket.
    if min_version == "1.2":
        first = context(ca, pair)
        first.maximum_version = ssl.TLSVersion.TLSv1_2
        with connect(port, first) as tls:
            session = tls.session
        again = first.wrap_socket(
            socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname="localhost", session=session
        )
        with again:
            assert again.session_reused


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("ca")
    parser.add_argument("--pair", nargs=2, metavar=("CERTIFICATE", "KEY"), help="what the client shows")
    parser.add_argument("--min-version", default="1.2")
    arguments = parser.parse_args()
    with_httpx(arguments.port, arguments.ca, arguments.pair)
    with_ssl(arguments.port, arguments.ca, arguments.pair, arguments.min_version)
    print("all clients were served")


if __name__ == "__main__":
    main()
