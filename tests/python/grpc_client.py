"""A grpcio client: what it sees through the gateway is what it sees of the backend itself.

Each case is run against both addresses, and the two outcomes must be equal. The cases are those of gRPC's
interoperability tests and some more.
"""

import argparse
import os
import sys
import threading
import uuid

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("echo.proto")

# What each hop adds or sets by itself.
OF_THE_HOP = {"user-agent", "grpc-timeout", "grpc-accept-encoding", "date", "server", "accept-encoding"}


def metadata(pairs):
    return sorted((key, value) for key, value in pairs or () if key not in OF_THE_HOP)


def failure(error):
    """What a failed call says of itself."""
    status = rpc_status.from_call(error)
    details = [any.type_url for any in status.details] if status else []
    return (error.code(), error.details(), details, metadata(error.trailing_metadata()))


class Client:
    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
        self.echo = services.EchoStub(self.channel)
        self.streams = services.StreamsStub(self.channel)

    def fails(self, call, *arguments, **options):
        try:
            answer = call(*arguments, **options)
            if hasattr(answer, "__next__"):
                list(answer)
        except grpc.RpcError as error:
            return failure(error)
        raise AssertionError("the call did not fail")

    def reaches(self, id, state):
        assert self.echo.Await(pb.AwaitRequest(id=id, state=state), timeout=20).reached, (id, state)


def empty_unary(client):
    return client.echo.Echo(pb.Everything())


def large_unary(client):
    return client.echo.Echo(pb.Everything(string="x" * 271828, bytes=bytes(314159)), timeout=30)


def unknown_fields_are_kept(client):
    call = client.channel.unary_unary("/echo.v1.Echo/Echo")
    return call(b"\xf8\xff\x0f\x2a\x72\x01a")


def compressed(client):
    answers = []
    for algorithm in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        message = pb.Everything(string="x" * 100_000)
        answers.append(client.echo.Echo(message, compression=algorithm, timeout=30))
        items = [pb.Item(id="zip", text="y" * 10_000) for _ in range(5)]
        answers.append(client.streams.Gather(iter(items), compression=algorithm, timeout=30).size)
        answers.append(list(client.streams.Chat(iter(items), compression=algorithm, timeout=30)))
    return answers


def server_streaming(client):
    return list(client.streams.Watch(pb.WatchRequest(id="s", count=100, size=1000), timeout=30))


def client_streaming(client):
    answer = client.streams.Gather((pb.Item(id="c", text="x" * size) for size in (27182, 8, 1828, 45904)))
    return (answer.count, answer.size)


def ping_pong(client):
    """Each message is sent only after the answer to the one before it has come."""
    turn = threading.Semaphore(1)

    def items():
        for number in range(20):
            assert turn.acquire(timeout=20)
            yield pb.Item(id="p", text=str(number))

    seen = []
    for item in client.streams.Chat(items(), timeout=30):
        seen.append((item.number, item.text))
        turn.release()
    return seen


def empty_stream(client):
    return list(client.streams.Chat(iter([]), timeout=30))


def custom_metadata(client):
    request = pb.MetadataRequest(
        initial=[pb.Entry(key="x-initial", text="a"), pb.Entry(key="x-initial-bin", binary=b"\0\xff")],
        trailing=[pb.Entry(key="x-trailing", text="b"), pb.Entry(key="x-trailing-bin", binary=b"\xab\xab\xab")],
    )
    sent = [("x-custom", "1"), ("x-custom", "2"), ("x-custom-bin", b"\x0a\x0b\x0a\x0b"), ("cookie", "a=b")]
    answer, call = client.echo.Metadata.with_call(request, metadata=sent)
    received = metadata((entry.key, entry.binary or entry.text) for entry in answer.received)
    return (received, metadata(call.initial_metadata()), metadata(call.trailing_metadata()))


def metadata_of_streams(client):
    call = client.streams.Watch(pb.WatchRequest(id="m", count=2, metadata=True), metadata=[("x-a", "1")])
    return (metadata(call.initial_metadata()), list(call), metadata(call.trailing_metadata()))


def every_status(client):
    outcomes = []
    for code in list(grpc.StatusCode)[1:]:
        request = pb.FailRequest()
        request.status.code, request.status.message = code.value[0], "told to"
        outcomes.append(client.fails(client.echo.Fail, request))
        outcomes.append(client.fails(client.streams.Watch, pb.WatchRequest(id="f", count=3, code=code.value[0])))
    return outcomes


def special_status_message(client):
    request = pb.FailRequest()
    request.status.code = 2
    request.status.message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈 100 %\t\n"
    return client.fails(client.echo.Fail, request)


def status_details(client):
    request = pb.FailRequest(undeclared=b"\x08\x01")
    request.status.code, request.status.message = 3, "bad"
    request.status.details.add().Pack(error_details_pb2.ErrorInfo(reason="R", domain="d"))
    request.status.details.add().Pack(error_details_pb2.DebugInfo(detail="stays with native clients"))
    return client.fails(client.echo.Fail, request)


def unimplemented(client):
    calls = [client.channel.unary_unary(path) for path in ("/echo.v1.Echo/Nothing", "/echo.v1.Nothing/Echo")]
    return [client.fails(call, b"")[0] for call in calls]


def cancel_after_begin(client):
    id = str(uuid.uuid4())
    gone = threading.Event()

    def items():
        yield pb.Item(id=id)
        gone.wait(20)

    call = client.streams.Gather.future(items())
    client.reaches(id, pb.STARTED)
    call.cancel()
    client.reaches(id, pb.CANCELLED)
    gone.set()
    return call.code()


def cancel_after_first_response(client):
    id = str(uuid.uuid4())
    call = client.streams.Watch(pb.WatchRequest(id=id, count=1_000_000, size=1000))
    first = next(call)
    call.cancel()
    client.reaches(id, pb.CANCELLED)
    return (first, client.fails(lambda: list(call))[:2])


def timeout_on_sleeping_server(client):
    id = str(uuid.uuid4())
    minute = duration_pb2.Duration(seconds=60)
    code = client.fails(client.echo.Wait, pb.WaitRequest(id=id, time=minute), timeout=0.2)[0]
    client.reaches(id, pb.CANCELLED)
    hanging = client.fails(client.streams.Watch, pb.WatchRequest(id="h", count=1, hang=True), timeout=0.2)[0]
    return (code, hanging)


def no_message(client):
    """A method that takes one message gets none."""
    return client.fails(client.channel.stream_unary("/echo.v1.Echo/Echo"), iter([]), timeout=20)[0]


def many_at_once(client):
    calls = [client.echo.Echo.future(pb.Everything(int32=number), timeout=60) for number in range(500)]
    return [call.result().int32 for call in calls]


CASES = [
    empty_unary,
    large_unary,
    unknown_fields_are_kept,
    compressed,
    server_streaming,
    client_streaming,
    ping_pong,
    empty_stream,
    custom_metadata,
    metadata_of_streams,
    every_status,
    special_status_message,
    status_details,
    unimplemented,
    cancel_after_begin,
    cancel_after_first_response,
    timeout_on_sleeping_server,
    no_message,
    many_at_once,
]


def too_large(client):
    """The gateway's bound holds in both directions."""
    sent = client.fails(client.echo.Echo, pb.Everything(bytes=bytes(5 << 20)))
    received = client.fails(client.echo.Large, pb.LargeRequest(size=5 << 20))
    assert sent[0] == received[0] == grpc.StatusCode.RESOURCE_EXHAUSTED, (sent, received)
    assert "larger than the limit of 4194304 bytes" in sent[1], sent
    assert "larger than the limit of 4194304 bytes" in received[1], received


def two_messages(client):
    """A method that takes one gets two. grpcio's server takes the first, the gateway refuses as gRPC asks."""
    failed = client.fails(client.channel.stream_unary("/echo.v1.Echo/Echo"), iter([b"", b""]), timeout=20)
    text = "The method takes exactly one message, but more than one came."
    assert failed[:2] == (grpc.StatusCode.UNIMPLEMENTED, text), failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backend")
    parser.add_argument("gateway")
    arguments = parser.parse_args()
    backend, gateway = Client(arguments.backend), Client(arguments.gateway)
    failed = []
    for case in CASES:
        expected, got = case(backend), case(gateway)
        if expected != got:
            failed.append(case.__name__)
            print(f"{case.__name__}:\n  the backend: {expected!r:.2000}\n  the gateway: {got!r:.2000}")
    too_large(gateway)
    two_messages(gateway)
    sys.exit(f"different through the gateway: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
