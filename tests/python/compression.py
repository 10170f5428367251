"""Sends bodies in every content encoding through the gateway and decodes the answers, with the encoders and decoders of
Python: gzip, brotli and zstandard. Ends with an error at the first difference.
"""

import argparse
import gzip
import http.client
import itertools
import json
import random
import threading
import zlib

import brotli
import zstandard

MIB = 1 << 20


def zstd(level, **options):
    return zstandard.ZstdCompressor(level=level, **options).compress


def unzstd(data):
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


ENCODERS = {
    "gzip": [lambda data, level=level: gzip.compress(data, level) for level in (0, 1, 6, 9)],
    "x-gzip": [gzip.compress],
    "deflate": [zlib.compress, lambda data: zlib.compress(data, 9)],
    "br": [
        lambda data, quality=quality, window=window: brotli.compress(data, quality=quality, lgwin=window)
        for quality, window in ((0, 10), (1, 18), (5, 22), (11, 24))
    ],
    "zstd": [zstd(-5), zstd(1), zstd(3, write_checksum=True), zstd(19, write_content_size=False), zstd(22)],
}
DECODERS = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": unzstd}


class Gateway:
    def __init__(self, port):
        self.port = port

    def send(self, method, target, headers, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, target, body, headers, encode_chunked=False)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer, data

    def echo(self, coding, body, **headers):
        headers = {"content-type": "application/json", "content-encoding": coding} | headers
        return self.send("POST", "/v1/echo", headers, body)

    def refused(self, coding, body, status, text):
        answer, data = self.echo(coding, body)
        found = (answer.status, json.loads(data)["message"])
        assert found == (status, text), found


def messages(random):
    yield {}
    yield {"string": "é" * 10}
    yield {"strings": [f"item {random.randrange(1000)}" for _ in range(3000)]}
    yield {"int32s": [random.randrange(2**31) for _ in range(20000)], "string": "x" * 200000}


def round_trips(gateway, random):
    for message in messages(random):
        text = json.dumps(message).encode()
        for coding, encoders in ENCODERS.items():
            for encode in encoders:
                for accepted, decode in DECODERS.items():
                    answer, data = gateway.echo(coding, encode(text), **{"accept-encoding": accepted})
                    assert answer.status == 200, (coding, answer.status, data[:300])
                    is_encoded = answer.getheader("content-encoding") == accepted
                    assert is_encoded == (len(text) > 2000), (accepted, len(text), answer.headers.items())
                    assert answer.getheader("vary") == ("accept, accept-encoding" if is_encoded else "accept")
                    if is_encoded:
                        assert len(data) < len(text) * 2 / 3, (accepted, len(data), len(text))
                    found = json.loads(decode(data) if is_encoded else data)
                    assert found == message, (coding, accepted)


def pieces(gateway):
    """A body that is sent in chunks, of one byte each at first."""
    text = json.dumps({"strings": [str(number) for number in range(2000)]}).encode()
    for coding, encoders in ENCODERS.items():
        body = encoders[0](text)
        cuts = [*range(20), *range(20, len(body), 997), len(body)]
        chunks = (body[start:end] for start, end in zip(cuts, cuts[1:]))
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        headers = {"content-encoding": coding, "transfer-encoding": "chunked"}
        connection.request("POST", "/v1/echo", chunks, headers, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, text.replace(b" ", b"")), coding
        connection.close()


def wrong_bodies(gateway):
    text = json.dumps({"strings": [str(number) for number in range(2000)]}).encode()
    for coding, decode in DECODERS.items():
        body = ENCODERS[coding][1](text)
        cut = f"The request body ends in the middle of its {coding} data."
        after = f"The request body goes on after the end of its {coding} data."
        not_valid = f"The request body is not valid {coding} data, which its content encoding says it is."
        gateway.refused(coding, body[:-1], 400, cut)
        gateway.refused(coding, body[: len(body) // 2], 400, cut)
        gateway.refused(coding, body + b"{}", 400, after)
        gateway.refused(coding, text, 400, not_valid)
        answer, data = gateway.echo(coding, ENCODERS[coding][1](b"x" * (4 * MIB + 1)))
        assert answer.status == 413, data
    parts = [text[:5000], text[5000:]]
    for coding in ("gzip", "zstd"):
        answer, data = gateway.echo(coding, b"".join(ENCODERS[coding][1](part) for part in parts))
        assert (answer.status, json.loads(data)) == (200, json.loads(text)), coding
    answer, data = gateway.echo("compress", b"{}")
    assert (answer.status, answer.getheader("accept-encoding")) == (415, "gzip, br, zstd, deflate"), data


def chains(gateway):
    """One encoding around the other, undone from the last to the first."""
    text = json.dumps({"strings": [str(number) for number in range(2000)]}).encode()
    for chain in itertools.product(ENCODERS, repeat=2):
        body = text
        for coding in chain:
            body = ENCODERS[coding][0](body)
        answer, data = gateway.echo(", ".join(chain), body)
        assert (answer.status, json.loads(data)) == (200, json.loads(text)), (chain, data[:300])
    zeros = bytes(64 * MIB)
    for chain in (("gzip", "gzip"), ("zstd", "br"), ("gzip", "deflate", "zstd")):
        body = zeros
        for coding in chain:
            body = ENCODERS[coding][1 if coding != "deflate" else 0](body)
        answer, data = gateway.echo(", ".join(chain), body)
        assert answer.status == 413, (chain, data[:300])
    answer, data = gateway.echo("gzip, gzip, gzip, gzip", b"{}")
    assert (answer.status, json.loads(data)["code"]) == (415, 3), data


def not_acceptable(gateway):
    """Nothing that could be answered is accepted: said in the form of the caller, and nothing is called."""
    for accepted in ("identity;q=0", "*;q=0", "deflate, identity;q=0"):
        for accept, kind in (("*/*", "application/json"), ("application/problem+json", "application/problem+json")):
            headers = {"accept-encoding": accepted, "accept": accept}
            answer, data = gateway.send("GET", "/v1/large?size=5000", headers)
            found = (answer.status, answer.getheader("content-type"), answer.getheader("content-encoding"))
            assert found == (406, kind, None), (found, data)
            assert json.loads(data)["code"] == 3, data
    # Any answer is encoded for a client that wants it so, also a small one.
    answer, data = gateway.echo("gzip", gzip.compress(b"{}"), **{"accept-encoding": "identity;q=0, br"})
    assert (answer.status, brotli.decompress(data)) == (200, b"{}"), data


def bombs(gateway):
    """Bodies of 256 MiB of one byte, several of each encoding at a time, while another client is served."""
    zeros = bytes(256 * MIB)
    made = {"gzip": gzip.compress(zeros, 9), "br": brotli.compress(zeros, quality=1), "zstd": zstd(3)(zeros)}
    failures = []

    def throw(coding, bomb):
        try:
            gateway.refused(
                coding,
                bomb,
                413,
                f"The request body is more than 100 times as large as its {coding} data, which is refused. Send it "
                "without a content encoding.",
            )
        except Exception as error:
            failures.append((coding, error))

    threads = [threading.Thread(target=throw, args=bomb) for bomb in made.items() for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        answer, data = gateway.echo("br", brotli.compress(b'{"int32": 1}'))
        assert (answer.status, data) == (200, b'{"int32":1}'), data
    for thread in threads:
        thread.join()
    assert not failures, failures


def heads(gateway):
    for accepted in [*DECODERS, "identity"]:
        answers = [
            gateway.send(method, "/v1/large?size=5000", {"accept-encoding": accepted}) for method in ("GET", "HEAD")
        ]
        (get, data), (head, nothing) = answers
        ignored = {"date", "transfer-encoding"}
        of_get, of_head = (
            {name.lower(): value for name, value in answer.getheaders() if name.lower() not in ignored}
            for answer in (get, head)
        )
        assert (of_get, nothing) == (of_head, b""), (of_get, of_head)
        assert len(DECODERS.get(accepted, bytes)(data)) > 5000


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    gateway = Gateway(arguments.port)
    round_trips(gateway, random.Random(arguments.seed))
    pieces(gateway)
    heads(gateway)
    wrong_bodies(gateway)
    chains(gateway)
    not_acceptable(gateway)
    bombs(gateway)


if __name__ == "__main__":
    main()
