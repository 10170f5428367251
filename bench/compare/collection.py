"""Descriptor sets of any size: many services with annotated methods, as a large API has them."""

from stage import DESCRIPTORS, SERVICES
from workloads import Workload, field, varint

METHODS_OF_SERVICE = 10
FIELDS_OF_MESSAGE = 24
# google.api.http, an extension of google.protobuf.MethodOptions.
HTTP_RULE = 72_295_728

# Numbers of google.protobuf.FieldDescriptorProto.
OPTIONAL, REPEATED = 1, 3
MESSAGE, KINDS = 11, (1, 3, 5, 8, 9, 12)


def collection(routes):
    """A FileDescriptorSet with so many routes beside those of `orders.proto`, and the names of its services.

    A file holds a service of ten methods and a message of its own; the messages that are sent are those of
    `orders.proto`."""
    count = routes // METHODS_OF_SERVICE
    files = b"".join(field(1, file(at)) for at in range(count))
    return DESCRIPTORS.read_bytes() + files, [*SERVICES, *(f"bench.scale.Service{at}" for at in range(count))]


def request(routes):
    """A request for a route in the middle of such a set."""
    service = routes // METHODS_OF_SERVICE // 2
    return Workload(
        "routes", f"{routes} routes", "GET", f"/v1/service{service}/method5/things/17", answer="order"
    )


def file(at):
    """A google.protobuf.FileDescriptorProto."""
    imports = ("orders.proto", "corpus.proto", "google/api/annotations.proto")
    out = text(1, f"bench/scale/service{at}.proto") + text(2, "bench.scale")
    out += b"".join(text(3, name) for name in imports)
    out += field(4, message(at)) + field(6, service(at)) + text(12, "proto3")
    return out


def message(at):
    """A message of scalars of all kinds, some of them repeated, and of itself."""
    fields = [
        member(
            f"field_{number}_of_thing",
            number,
            KINDS[number % len(KINDS)],
            REPEATED if number % 7 == 0 else OPTIONAL,
        )
        for number in range(1, FIELDS_OF_MESSAGE)
    ]
    fields.append(member("parent", FIELDS_OF_MESSAGE, MESSAGE, OPTIONAL) + text(6, f".bench.scale.Thing{at}"))
    return text(1, f"Thing{at}") + b"".join(field(2, each) for each in fields)


def member(name, number, kind, label):
    """A google.protobuf.FieldDescriptorProto."""
    return text(1, name) + integer(3, number) + integer(4, label) + integer(5, kind)


def service(at):
    methods = b"".join(field(2, method(at, number)) for number in range(METHODS_OF_SERVICE))
    return text(1, f"Service{at}") + methods


def method(at, number):
    rule = text(2, f"/v1/service{at}/method{number}/{{name=things/*}}")
    options = field(HTTP_RULE, rule)
    return (
        text(1, f"Method{number}")
        + text(2, ".bench.GetOrderRequest")
        + text(3, ".bench.Order")
        + field(4, options)
    )


def text(number, content):
    return field(number, content.encode())


def integer(number, value):
    return varint(number << 3) + varint(value)
