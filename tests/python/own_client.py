"""Asks a gateway for its health and its descriptors, with the clients that gRPC has for it."""

import argparse

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


HIDDEN = ["echo.v1.Streams", "echo.v1.Raw", "echo.v1.Files"]
OWN = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
]


def health(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ["", "echo.v1.Echo", *OWN]:
        assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == serving, service
    # Compressed, as a client that is told to sends it.
    answer = stub.Check(health_pb2.HealthCheckRequest(service="echo.v1.Echo"), compression=grpc.Compression.Gzip)
    assert answer.status == serving
    try:
        stub.Check(health_pb2.HealthCheckRequest(service="echo.v1.Streams"))
        raise AssertionError("a service that is not exposed is known")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    listed = stub.List(health_pb2.HealthListRequest()).statuses
    assert sorted(listed) == sorted(["", "echo.v1.Echo", *OWN]), listed
    assert all(answer.status == serving for answer in listed.values())
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="echo.v1.Other"), timeout=60)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


def descriptors(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert sorted(database.get_services()) == sorted(["echo.v1.Echo", *OWN])
    pool = DescriptorPool(database)
    # A call with nothing but what the gateway told.
    method = pool.FindServiceByName("echo.v1.Echo").FindMethodByName("Echo")
    request, response = (GetMessageClass(message) for message in (method.input_type, method.output_type))
    call = channel.unary_unary(
        "/echo.v1.Echo/Echo",
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    assert call(request(string="told")).string == "told"
    # Options that the gateway does not know itself would be lost if it wrote files anew.
    assert pool.FindFileByName("google/api/annotations.proto").extensions_by_name["http"].number == 72295728
    assert database.FindAllExtensionNumbers("google.protobuf.MethodOptions")
    for name, published in [
        ("grpc/health/v1/health.proto", health_pb2),
        ("grpc/reflection/v1alpha/reflection.proto", reflection_pb2),
    ]:
        assert plain(pool.FindFileByName(name)) == plain(published.DESCRIPTOR), f"{name} is another interface"


def plain(descriptor):
    """A file without its own name and without JSON names, which not all compilers write down."""
    file = descriptor_pb2.FileDescriptorProto()
    descriptor.CopyToProto(file)
    file.name = ""
    messages = list(file.message_type)
    while messages:
        message = messages.pop()
        messages.extend(message.nested_type)
        for field in message.field:
            field.ClearField("json_name")
    return file


def hidden_stays_hidden(channel):
    """Whatever is asked, nothing that comes names a service that is not exposed."""
    Request, Extension = reflection_pb2.ServerReflectionRequest, reflection_pb2.ExtensionRequest
    questions = [Request(list_services="")]
    for name in HIDDEN + [f"{name}.{method}" for name in HIDDEN for method in ["Chat", "Answer", "Upload"]]:
        questions.append(Request(file_containing_symbol=name))
        questions.append(Request(file_containing_symbol=f".{name}"))
        questions.append(Request(file_by_filename=name))
        questions.append(Request(file_containing_extension=Extension(containing_type=name, extension_number=1)))
        questions.append(Request(all_extension_numbers_of_type=name))
    found = [Request(file_by_filename="echo.proto"), Request(file_containing_symbol="echo.v1.Echo")]
    found.append(Request(file_containing_symbol="echo.v1.Everything"))
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    answers = list(stub.ServerReflectionInfo(iter(questions + found)))
    assert [answer.original_request for answer in answers] == questions + found
    for answer in answers[1 : len(questions)]:
        assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0], answer
    for answer in answers[len(questions) :]:
        files = answer.file_descriptor_response.file_descriptor_proto
        assert files, answer
        for wire in files:
            file = descriptor_pb2.FileDescriptorProto.FromString(wire)
            services = [f"{file.package}.{service.name}" for service in file.service]
            assert not set(services) & set(HIDDEN), services
            assert not file.HasField("source_code_info")


def many_questions(channel):
    Request = reflection_pb2.ServerReflectionRequest
    questions = [Request(file_containing_symbol=["echo.v1.Echo", "none"][at % 2]) for at in range(5000)]
    answers = list(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter(questions)))
    assert [answer.original_request for answer in answers] == questions


def watch_to_the_end(address):
    """Tells what a watcher sees, until the gateway ends the stream."""
    with grpc.insecure_channel(address) as channel:
        try:
            for answer in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()):
                print(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status), flush=True)
        except grpc.RpcError as error:
            print(error.code().name, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gateway", help="HOST:PORT")
    parser.add_argument("--watch", action="store_true", help="watch it to its end")
    arguments = parser.parse_args()
    if arguments.watch:
        return watch_to_the_end(arguments.gateway)
    with grpc.insecure_channel(arguments.gateway) as channel:
        for test in [health, descriptors, hidden_stays_hidden, many_questions]:
            test(channel)
            print(test.__name__, "ok", flush=True)


if __name__ == "__main__":
    main()
