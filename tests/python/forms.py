"""Sends forms through the gateway to the echo server, written by httpx and by Python's email package, and compares what
comes back with what was sent.
"""

import argparse
import base64
import email.generator
import email.mime.multipart
import email.mime.nonmultipart
import email.policy
import io
import random

import httpx



def urlencoded(client):
    fields = {
        "string": "é +&=%\r\n\"'",
        "strings": ["a", "", "b c"],
        "child.int32": "5",
        "a_name_of_many_words": "x",
        "optionalBool": "false",
    }
    answer = client.post("/v1/echo", data=fields)
    expected = {
        "string": fields["string"],
        "strings": fields["strings"],
        "child": {"int32": 5},
        "aNameOfManyWords": "x",
        "optionalBool": False,
    }
    assert (answer.status_code, answer.json()) == (200, expected), answer.text


def files_of(random):
    yield b""
    yield b"\r\n"
    yield b"--"
    yield b"\r\n--\r\n--"
    for size in (1, 1000, 100_000, 2_000_000):
        yield random.randbytes(size)


def multipart(client, random):
    for data in files_of(random):
        files = [
            ("byteses", ('é "quoted".bin', data, "application/octet-stream")),
            ("byteses", ("second", data[::-1], None)),
        ]
        answer = client.post("/v1/echo", data={"string": "é\r\n", "child.int32": "5"}, files=files)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        found["byteses"] = [base64.b64decode(one) for one in found["byteses"]]
        expected = {"string": "é\r\n", "child": {"int32": 5}, "byteses": [data, data[::-1]]}
        assert found == expected, len(data)


def by_email(client):
    """The older writer of the same format: headers folded by nobody, parts with a MIME-Version."""
    message = email.mime.multipart.MIMEMultipart("form-data", policy=email.policy.HTTP)
    for name, kind, text in (("string", "plain", "some\r\ntext"), ("strings", "plain", "a"), ("child", "json", None)):
        main = "application" if kind == "json" else "text"
        part = email.mime.nonmultipart.MIMENonMultipart(main, kind, policy=email.policy.HTTP)
        part.add_header("Content-Disposition", "form-data", name=name)
        part.set_payload(text if text is not None else '{"int32": 5}')
        message.attach(part)
    out = io.BytesIO()
    email.generator.BytesGenerator(out, policy=email.policy.HTTP).flatten(message)
    head, body = out.getvalue().split(b"\r\n\r\n", 1)
    answer = client.post("/v1/echo", content=body, headers={"content-type": message["content-type"]})
    expected = {"string": "some\r\ntext", "strings": ["a"], "child": {"int32": 5}}
    assert (answer.status_code, answer.json()) == (200, expected), answer.text


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    with httpx.Client(base_url=f"http://127.0.0.1:{arguments.port}", timeout=60) as client:
        urlencoded(client)
        multipart(client, random.Random(arguments.seed))
        by_email(client)


if __name__ == "__main__":
    main()
