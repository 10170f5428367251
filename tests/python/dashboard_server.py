"""A backend of the aggregated routes of the tests, with one of the services of dashboard.proto."""

import argparse
import os
import sys
import threading
from collections import Counter
from concurrent import futures

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("dashboard.proto")


class Seen:
    """How often methods were called about somebody, and which calls were cancelled."""

    def __init__(self):
        self.changed = threading.Condition()
        self.calls, self.cancelled, self.open, self.most = Counter(), Counter(), Counter(), Counter()
        self.is_released = False

    def begin(self, method, id, context):
        def ended():
            with self.changed:
                self.open[method] -= 1
                if context._state.client == "cancelled":
                    self.cancelled[method, id] += 1
                self.changed.notify_all()

        with self.changed:
            self.calls[method, id] += 1
            self.open[method] += 1
            self.most[method] = max(self.most[method], self.open[method])
            self.changed.notify_all()
        context.add_callback(ended)

    def hang(self, context):
        over = threading.Event()
        if not context.add_callback(over.set):
            over.set()
        over.wait()

    def hold(self, context):
        def ended():
            with self.changed:
                self.changed.notify_all()

        context.add_callback(ended)
        with self.changed:
            self.changed.wait_for(lambda: self.is_released or not context.is_active())


class Stage(services.StageServicer):
    def __init__(self, seen):
        self.seen = seen

    def Await(self, request, context):
        key = request.method, request.id
        with self.seen.changed:
            counts = self.seen.cancelled if request.cancelled else self.seen.calls
            reached = self.seen.changed.wait_for(lambda: counts[key] >= request.count, timeout=20)
            most = self.seen.most[request.method]
            return pb.AwaitResponse(reached=reached, count=self.seen.calls[key], at_once=most)

    def Release(self, request, context):
        with self.seen.changed:
            self.seen.is_released = True
            self.seen.changed.notify_all()
        return pb.ReleaseResponse()


def fail(context, code, message):
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="SCRIPTED"))
    status.details.add().Pack(error_details_pb2.DebugInfo(detail="a stack trace"))
    context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(code, message)


class Users(services.UsersServicer):
    def __init__(self, seen):
        self.seen = seen

    def GetUser(self, request, context):
        self.seen.begin("GetUser", request.id, context)
        if request.id == "missing":
            fail(context, grpc.StatusCode.NOT_FOUND, "There is no such user.")
        return pb.User(
            id=request.id,
            name=f"User {request.id}",
            segment="gold" if request.id != "plain" else "",
            premium=request.id != "plain",
            address=pb.Address(city="Linz", street="Hauptplatz") if request.detail == pb.FULL else None,
            level=-3,
        )


class Orders(services.OrdersServicer):
    def __init__(self, seen):
        self.seen = seen

    def ListOrders(self, request, context):
        self.seen.begin("ListOrders", request.user_id, context)
        match request.user_id:
            case "hanging":
                self.seen.hang(context)
            case "held":
                self.seen.hold(context)
            case "crashing":
                raise RuntimeError("a secret of the backend")
            case "failing":
                fail(context, grpc.StatusCode.UNAVAILABLE, "The orders are away.")
        count = {"many": 10_000, "none": 0}.get(request.user_id, 3)
        items = [pb.Item(sku=f"s{number % 1000}", amount=number) for number in range(count)]
        if request.user_id == "flawed":
            items = [pb.Item(sku=sku, amount=1) for sku in ("a", "broken", "a", "broken", "b")]
        if request.user_id == "large":
            items = [pb.Item(sku="x" * 1_000_000)]
        return pb.OrderList(items=items, request=request)

    def GetPrice(self, request, context):
        self.seen.begin("GetPrice", request.sku, context)
        if request.sku == "broken":
            fail(context, grpc.StatusCode.NOT_FOUND, "It has no price.")
        return pb.Price(sku=request.sku, cents=100 * (request.amount + 1))

    def WatchOrders(self, request, context):
        self.seen.begin("WatchOrders", request.user_id, context)
        for number in range(3):
            if number == 2 and request.user_id == "held":
                self.seen.hold(context)
            yield pb.Item(sku=f"w{number}", amount=number)


class Offers(services.OffersServicer):
    def __init__(self, seen):
        self.seen = seen

    def ForSegment(self, request, context):
        self.seen.begin("ForSegment", request.segment, context)
        offers = [f"{request.segment}-{sku}" for sku in request.skus] or [f"{request.segment}-{request.level}"]
        known = ("x-tenant", "x-owner", "authorization", "x-api-key")
        entries = [pb.Entry(key=key, value=value) for key, value in context.invocation_metadata() if key in known]
        return pb.OfferList(offers=offers, metadata=entries)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--service", choices=["Users", "Orders", "Offers"], required=True)
    arguments = parser.parse_args()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=128))
    seen = Seen()
    name = arguments.service
    getattr(services, f"add_{name}Servicer_to_server")(globals()[name](seen), server)
    services.add_StageServicer_to_server(Stage(seen), server)
    names = [f"dashboard.v1.{name}", "dashboard.v1.Stage", reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    port = server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    server.start()
    print(f"listening 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
