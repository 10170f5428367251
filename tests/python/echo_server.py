"""The backend of the tests, a grpcio server with reflection: see echo.proto."""

import argparse
import hashlib
import itertools
import os
import signal
import sys
import threading
import time
from concurrent import futures

import grpc
from google.protobuf import empty_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("echo.proto")

CODES = {code.value[0]: code for code in grpc.StatusCode}


def entry(key, value):
    if key.endswith("-bin"):
        return pb.Entry(key=key, binary=value)
    return pb.Entry(key=key, text=value)


def pairs(entries):
    return [(one.key, one.binary if one.key.endswith("-bin") else one.text) for one in entries]


def compress(context):
    """Compresses the answers, if the metadata asks for it. grpcio does not look what the caller takes."""
    if dict(context.invocation_metadata()).get("x-compress"):
        context.set_compression(grpc.Compression.Gzip)


def fail(context, code, message):
    """Ends a stream; with a detail, if the metadata has the reason for one."""
    reason = dict(context.invocation_metadata()).get("x-detail")
    if reason:
        status = status_pb2.Status(code=code, message=message)
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason))
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(CODES[code], message)


class Notes:
    """What streams and calls of Wait have come to, by their name."""

    def __init__(self):
        self.changed = threading.Condition()
        self.reached = set()
        self.messages = {}

    def note(self, id, state):
        with self.changed:
            self.reached.add((id, state))
            self.changed.notify_all()

    def count(self, id, messages):
        self.messages[id] = messages

    def wait_for(self, id, state):
        with self.changed:
            reached = self.changed.wait_for(lambda: (id, state) in self.reached, timeout=10)
        return pb.AwaitResponse(reached=reached, messages=self.messages.get(id, 0))


class Echo(services.EchoServicer):
    def __init__(self, notes):
        self.notes = notes

    def Echo(self, request, context):
        compress(context)
        return request

    def Metadata(self, request, context):
        context.send_initial_metadata(pairs(request.initial))
        context.set_trailing_metadata(pairs(request.trailing))
        return pb.MetadataResponse(received=[entry(*pair) for pair in context.invocation_metadata()])

    def Fail(self, request, context):
        status = status_pb2.Status()
        status.CopyFrom(request.status)
        if request.undeclared:
            status.details.add(type_url="type.googleapis.com/nowhere.v1.Declared", value=request.undeclared)
        if status.details or request.broken:
            details = request.broken or status.SerializeToString()
            context.set_trailing_metadata([("grpc-status-details-bin", details)])
        context.set_code(CODES[status.code])
        context.set_details(status.message)
        return empty_pb2.Empty()

    def Large(self, request, context):
        return pb.Everything(string="x" * request.size)

    def Wait(self, request, context):
        ended = threading.Event()
        context.add_callback(ended.set)
        self.notes.note(request.id, pb.STARTED)
        if ended.wait(request.time.ToTimedelta().total_seconds()):
            self.notes.note(request.id, pb.CANCELLED)
        return empty_pb2.Empty()

    def Await(self, request, context):
        return self.notes.wait_for(request.id, request.state)


class Streams(services.StreamsServicer):
    def __init__(self, notes):
        self.notes = notes

    def begin(self, id, context):
        """Notes when the call starts and, if it is cancelled, that. What is returned is set when it is over."""
        compress(context)
        over = threading.Event()

        def ended():
            # To the handler a reset may look like the end of the requests; only the state knows.
            if context._state.client == "cancelled":
                self.notes.note(id, pb.CANCELLED)
            over.set()

        context.add_callback(ended)
        self.notes.note(id, pb.STARTED)
        return over

    def Watch(self, request, context):
        over = self.begin(request.id, context)
        if request.metadata:
            context.send_initial_metadata([("x-stream", request.id)])
        pause = request.pause.ToTimedelta().total_seconds()
        text = "x" * request.size
        for number in range(1, request.count + 1):
            if pause and over.wait(pause):
                return
            self.notes.count(request.id, number)
            yield pb.Item(number=number, text=text)
        if request.hang:
            over.wait()
        elif request.code:
            fail(context, request.code, "Told to fail.")

    def Gather(self, requests, context):
        response = pb.GatherResponse(received=[entry(*pair) for pair in context.invocation_metadata()])
        for number, item in self.items(requests, context):
            response.count, response.size = number, response.size + len(item.text)
        return response

    def Chat(self, requests, context):
        for number, item in self.items(requests, context):
            yield pb.Item(number=number, text=item.text)

    def items(self, requests, context):
        """The messages with their numbers, while none of them asks for anything else."""
        id = over = None
        for number, item in enumerate(requests, 1):
            if over is None:
                id, over = item.id, self.begin(item.id, context)
            self.notes.count(id, number)
            if item.code:
                fail(context, item.code, f"Told to fail at message {number}.")
            if item.hang:
                over.wait()
                return
            yield number, item


class Files(services.FilesServicer):
    def __init__(self, streams):
        self.streams = streams

    def Store(self, requests, context):
        def read():
            for number, piece in enumerate(requests, 1):
                if number == 1:
                    self.streams.begin(piece.id, context)
                is_new = number == 1 or piece.title or piece.page.content_type
                yield is_new, piece.title, piece.page.content_type, piece.content or piece.page.data

        return stored(read())

    def StoreEither(self, requests, context):
        def read():
            for number, piece in enumerate(requests, 1):
                is_info = piece.WhichOneof("part") == "info"
                assert number > 1 or is_info, "information comes first"
                yield is_info, piece.info.title, "", piece.chunk

        return stored(read())


def stored(pieces):
    response, digests = pb.StoreResponse(), []
    for is_new, title, content_type, data in pieces:
        if is_new:
            response.files.add(title=title, content_type=content_type)
            digests.append(hashlib.sha256())
        file = response.files[-1]
        file.size, file.messages, file.largest = file.size + len(data), file.messages + 1, max(file.largest, len(data))
        digests[-1].update(data)
    for file, digest in zip(response.files, digests):
        file.digest = digest.hexdigest()
    return response


class Moods(grpc.ServerInterceptor):
    """What the server is told by signals: SIGUSR1 turns over what it says of its health, SIGUSR2 whether calls fail."""

    def __init__(self, fails, every, delay):
        self.fails = fails
        self.every = every
        self.delay = delay
        self.calls = itertools.count(1)
        self.is_well = True
        self.health = health.HealthServicer()
        signal.signal(signal.SIGUSR1, self.turn_health)
        signal.signal(signal.SIGUSR2, self.turn_calls)

    def turn_health(self, *_):
        self.is_well = not self.is_well
        status = health_pb2.HealthCheckResponse.SERVING if self.is_well else health_pb2.HealthCheckResponse.NOT_SERVING
        self.health.set("", status)

    def turn_calls(self, *_):
        self.fails = not self.fails

    def intercept_service(self, continuation, details):
        handler = continuation(details)
        if self.delay and details.method.startswith("/echo.") and handler.unary_unary:
            return self.delayed(handler)
        fails = self.fails or (self.every and next(self.calls) % self.every == 0)
        if not fails or not details.method.startswith("/echo.") or not handler.unary_unary:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: context.abort(grpc.StatusCode.UNAVAILABLE, "Told to fail."),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def delayed(self, handler):
        """Keeps a worker busy for the delay before the answer."""

        def answer(request, context):
            time.sleep(self.delay)
            return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


class RawHandler(grpc.GenericRpcHandler):
    """Serves echo.v1.Raw without a serializer for the answer."""

    def service(self, details):
        if details.method != "/echo.v1.Raw/Answer":
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: request.wire,
            request_deserializer=pb.RawRequest.FromString,
            response_serializer=lambda wire: wire,
        )


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="speak TLS")
    parser.add_argument("--ping", type=int, metavar="MS", help="ping clients so often, and leave those that do not answer")
    parser.add_argument("--client-ca", help="refuse clients without a certificate of this authority")
    parser.add_argument("--workers", type=int, default=512, help="how many calls are worked on at a time")
    parser.add_argument("--delay", type=int, default=0, metavar="MS", help="how long a unary call takes")
    parser.add_argument("--unavailable", action="store_true", help="answer UNAVAILABLE to every call")
    parser.add_argument("--fail-every", type=int, metavar="N", help="answer UNAVAILABLE to each Nth call")
    arguments = parser.parse_args()
    port = arguments.port

    # Each call takes a worker as long as it lasts, which is long for a stream.
    options = []
    if arguments.ping:
        options += [("grpc.keepalive_time_ms", arguments.ping), ("grpc.keepalive_timeout_ms", 10 * arguments.ping)]
        options += [("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)]
    pool = futures.ThreadPoolExecutor(max_workers=arguments.workers)
    moods = Moods(arguments.unavailable, arguments.fail_every, arguments.delay / 1000)
    server = grpc.server(pool, handlers=[RawHandler()], interceptors=[moods], options=options)
    health_pb2_grpc.add_HealthServicer_to_server(moods.health, server)
    notes = Notes()
    services.add_EchoServicer_to_server(Echo(notes), server)
    streams = Streams(notes)
    services.add_StreamsServicer_to_server(streams, server)
    services.add_FilesServicer_to_server(Files(streams), server)
    names = ["echo.v1.Echo", "echo.v1.Raw", "echo.v1.Streams", "echo.v1.Files", reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    if arguments.tls:
        certificate, key = (read(file) for file in arguments.tls)
        ca = arguments.client_ca and read(arguments.client_ca)
        credentials = grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=bool(ca))
        port = server.add_secure_port(f"{arguments.host}:{port}", credentials)
    else:
        port = server.add_insecure_port(f"{arguments.host}:{port}")
    server.start()
    # Told so, it sends connections GOAWAY and lets calls end. On another thread, as a signal may come at any time.
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=server.stop, args=(10,)).start())
    print(f"listening {arguments.host}:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
