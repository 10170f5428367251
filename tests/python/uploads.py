"""Sends files as multipart forms with httpx to a method with client streaming, and compares what arrived."""

import hashlib
import random
import sys

import httpx

CHUNK = 64 << 10


def expected(data, title="", content_type=""):
    file = {"title": title, "contentType": content_type, "size": str(len(data)) if data else ""}
    file |= {"digest": hashlib.sha256(data).hexdigest(), "messages": max(1, -(-len(data) // CHUNK))}
    file |= {"largest": min(len(data), CHUNK)}
    return {name: value for name, value in file.items() if value}


def main():
    client = httpx.Client(base_url=sys.argv[1], timeout=60)
    chance = random.Random(1)
    sizes = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 1_000_000)
    datas = [chance.randbytes(size) for size in sizes] + [b"\r\n", b"\r\n--", b"--", b"\r" * 100_000]
    for data in datas:
        files = {"content": ("name.bin", data, "application/octet-stream")}
        answer = client.post("/v1/files/httpx", data={"title": "é\r\n"}, files=files)
        assert (answer.status_code, answer.json()) == (200, {"files": [expected(data, "é\r\n")]}), answer.text

    # Several, each with its type.
    pages = [("page", (f"{number}", data, f"image/{number}")) for number, data in enumerate(datas)]
    answer = client.post("/v1/files/httpx", files=pages)
    found = [expected(data, content_type=f"image/{number}") for number, data in enumerate(datas)]
    assert (answer.status_code, answer.json()) == (200, {"files": found}), answer.text

    # What a file is comes in a message of its own where the proto says so: the path is a part of it.
    for data in datas[1:]:
        answer = client.post("/v1/either/Emma", data={"info.pages": "474"}, files={"chunk": ("name", data)})
        file = expected(data, "Emma")
        file["messages"] += 1
        assert (answer.status_code, answer.json()) == (200, {"files": [file]}), answer.text

    answer = client.post("/v1/files/httpx", files=[("content", ("a", b"a")), ("content", ("b", b"b"))])
    message = "a second file follows the first without a field before it that tells them apart"
    assert answer.json()["message"] == f'The form field "content" is not valid: {message}.', answer.text
    answer = client.post("/v1/files/httpx", files={"title": ("a", b"a")})
    assert (answer.status_code, answer.json()["code"]) == (400, 3), answer.text


if __name__ == "__main__":
    main()
