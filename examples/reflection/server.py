"""A gRPC server with reflection that knows nothing of Transom: see README.md."""

import argparse
import os
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

# The proto is compiled at start. What it imports lies beside the installed packages.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("inventory.proto")

COUNTED = Timestamp(seconds=1767603600)  # 2026-01-05T09:00:00Z


class Inventory:
    """The articles. Both services work on them."""

    def __init__(self):
        self.lock = threading.Lock()
        self.articles = {
            article.sku: article
            for article in [
                pb.Article(sku="hammer-300", title="Hammer, 300 g", category=pb.TOOLS, count=12, counted=COUNTED),
                pb.Article(sku="nail-60", title="Nail, 60 mm", category=pb.SMALL_PARTS, count=4000, counted=COUNTED),
                pb.Article(sku="saw-2", title="Saw", category=pb.TOOLS, count=0, counted=COUNTED),
            ]
        }

    def find(self, sku, context):
        article = self.articles.get(sku)
        if article is None:
            abort(
                context,
                code_pb2.NOT_FOUND,
                f"There is no article {sku}.",
                error_details_pb2.ResourceInfo(resource_type="inventory.example/Article", resource_name=sku),
            )
        return article


def abort(context, code, message, detail):
    """Ends a call with a typed detail."""
    packed = any_pb2.Any()
    packed.Pack(detail)
    context.abort_with_status(rpc_status.to_status(status_pb2.Status(code=code, message=message, details=[packed])))


class Stock(services.StockServicer):
    def __init__(self, inventory):
        self.inventory = inventory

    def Count(self, request, context):
        with self.inventory.lock:
            return pb.CountResponse(count=self.inventory.find(request.sku, context).count)

    def Take(self, request, context):
        with self.inventory.lock:
            wanted = {sku: self.inventory.find(sku, context) for sku in request.articles}
            for sku, article in wanted.items():
                if article.count < request.articles[sku]:
                    abort(
                        context,
                        code_pb2.FAILED_PRECONDITION,
                        f"There are only {article.count} of {sku}.",
                        error_details_pb2.ErrorInfo(reason="OUT_OF_STOCK", domain="inventory.example"),
                    )
            for sku, article in wanted.items():
                article.count -= request.articles[sku]
            return pb.TakeResponse(left={sku: article.count for sku, article in wanted.items()})


class Articles(services.ArticlesServicer):
    def __init__(self, inventory):
        self.inventory = inventory

    def Get(self, request, context):
        with self.inventory.lock:
            return self.inventory.find(request.sku, context)

    def List(self, request, context):
        with self.inventory.lock:
            return pb.ListResponse(
                articles=[
                    article
                    for _, article in sorted(self.inventory.articles.items())
                    if request.category in (pb.CATEGORY_UNSPECIFIED, article.category)
                ]
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=50051, help="0 for any free port")
    port = parser.parse_args().port

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    inventory = Inventory()
    services.add_StockServicer_to_server(Stock(inventory), server)
    services.add_ArticlesServicer_to_server(Articles(inventory), server)
    reflection.enable_server_reflection(
        ["inventory.v1.Stock", "inventory.v1.Articles", reflection.SERVICE_NAME], server
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(f"listening 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
