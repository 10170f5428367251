"""A backend of split.proto that tells its name. Its mood says how it answers: as it should, never, with errors, with more than
anybody reads."""

import argparse
import os
import sys
import threading
from concurrent import futures

import grpc
from grpc_reflection.v1alpha import reflection

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("split.proto")

MARK = "x-transom-shadow"


class Seen:
    def __init__(self):
        self.changed = threading.Condition()
        self.open = self.most = self.ended = 0
        self.ids, self.marks = [], []

    def begin(self, id, context):
        """Notes a call, and returns its mark."""

        def ended():
            with self.changed:
                self.open -= 1
                self.ended += 1
                self.changed.notify_all()

        mark = dict(context.invocation_metadata()).get(MARK, "")
        with self.changed:
            self.open += 1
            self.most = max(self.most, self.open)
            self.ids.append(id)
            self.marks.append(mark)
            self.changed.notify_all()
        if not context.add_callback(ended):
            ended()
        return mark


class Stage(services.StageServicer):
    def __init__(self, seen):
        self.seen = seen

    def Await(self, request, context):
        seen = self.seen
        with seen.changed:
            reached = seen.changed.wait_for(
                lambda: len(seen.ids) >= request.calls and seen.ended >= request.ended, timeout=20
            )
            return pb.AwaitResponse(
                reached=reached, calls=len(seen.ids), at_once=seen.most, ids=seen.ids, marks=seen.marks
            )


class Shop(services.ShopServicer):
    def __init__(self, name, mood, seen):
        self.name, self.mood, self.seen = name, mood, seen

    def answer(self, id, context, size=5 << 20):
        mark = self.seen.begin(id, context)
        match self.mood:
            case "hanging":
                over = threading.Event()
                if not context.add_callback(over.set):
                    over.set()
                over.wait()
            case "failing":
                context.abort(grpc.StatusCode.UNAVAILABLE, "The backend is not well.")
        filler = b"x" * size if self.mood == "huge" else b""
        return pb.Answer(server=self.name, id=id, mark=mark, filler=filler)

    def Get(self, request, context):
        return self.answer(request.id, context)

    def Watch(self, request, context):
        yield self.answer(request.id, context, size=1 << 20)
        while self.mood == "huge" and context.is_active():
            yield pb.Answer(filler=b"x" * (1 << 20))
        yield pb.Answer(id="last")

    def Gather(self, requests, context):
        ids = [request.id for request in requests]
        return self.answer("+".join(ids), context)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--name", required=True)
    parser.add_argument("--mood", choices=["plain", "hanging", "failing", "huge"], default="plain")
    arguments = parser.parse_args()
    options = [("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=128), options=options)
    seen = Seen()
    services.add_ShopServicer_to_server(Shop(arguments.name, arguments.mood, seen), server)
    services.add_StageServicer_to_server(Stage(seen), server)
    names = ["split.v1.Shop", "split.v1.Stage", reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    port = server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    server.start()
    print(f"listening 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
