"""httpx asks without a pause, until SIGTERM: single calls and streams over kept connections."""

import argparse
import json
import signal
import threading
import urllib.parse

import httpx

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("url")
parser.add_argument("--call", required=True, help="the path of a method that answers once")
parser.add_argument("--stream", required=True, help="the path of a method that answers with many messages")
parser.add_argument("--messages", type=int, required=True, help="how many that are")
arguments = parser.parse_args()

ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
lock = threading.Lock()
seen = {"calls": 0, "streams": 0, "failures": [], "connections": 0}


def note(name, value=1):
    with lock:
        seen[name] += value


def call(client):
    answer = client.get(arguments.url + arguments.call)
    answer.raise_for_status()
    answer.json()
    note("calls")


def stream(client):
    headers = {"accept": "application/x-ndjson"}
    with client.stream("GET", arguments.url + arguments.stream, headers=headers) as answer:
        answer.raise_for_status()
        count = sum(1 for line in answer.iter_lines() if json.loads(line) is not None)
    assert count == arguments.messages, f"a stream ended after {count} messages"
    note("streams")
    print("a stream ended well", flush=True)


def work(client, ask):
    while not ended.is_set():
        try:
            ask(client)
        except Exception as error:
            note("failures", [f"{ask.__name__}: {error!r}"])


def traced(name, info):
    if name == "connection.connect_tcp.complete":
        note("connections")


def tracing(request):
    request.extensions["trace"] = traced


threads = []
for http2 in (False, True):
    options = {"http1": not http2, "http2": http2, "timeout": 60, "event_hooks": {"request": [tracing]}}
    pool = httpx.Client(**options)
    for ask in (call, call, stream):
        # Threads that share a connection of HTTP/2 mix up the numbers of its streams: each has one of its own.
        client = httpx.Client(**options) if http2 else pool
        threads.append(threading.Thread(target=work, args=(client, ask)))
for thread in threads:
    thread.start()
print("asking", urllib.parse.urlsplit(arguments.url).netloc, flush=True)
ended.wait()
for thread in threads:
    thread.join()
print(json.dumps(seen), flush=True)
