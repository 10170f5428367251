"""A grpcio server whose reflection tells far too much, and counts how often it was asked."""

import argparse
import itertools
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2

MIB = 1 << 20
FIRST = "0.proto"
PROTOCOLS = ["grpc.reflection.v1", "grpc.reflection.v1alpha"]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("kind", choices=["whole", "endless", "circle"])
arguments = parser.parse_args()


def file(name, imports, padding=b""):
    """A descriptor, with something behind it that no reader of descriptors knows."""
    descriptor = descriptor_pb2.FileDescriptorProto(name=name, dependency=imports, package="flood.v1")
    if name == FIRST:
        descriptor.service.add(name="Flood")
    text = descriptor.SerializeToString()
    if padding:
        length = len(padding)
        varint = bytes(length >> shift & 0x7F | 0x80 for shift in range(0, 28, 7)) + bytes([length >> 28])
        text += b"\xfa\x3e" + varint + padding
    return text


ZEROS = bytes(100 * MIB)


def files(name):
    """100 MB at once, or a file of 1 MB that imports the next one, or two that import each other."""
    if arguments.kind == "whole":
        return [file(name, [], ZEROS)]
    if arguments.kind == "circle":
        return [file(name, ["1.proto" if name == FIRST else FIRST])]
    number = int(name.partition(".")[0])
    return [file(name, [f"{number + 1}.proto"], ZEROS[:MIB])]


def answer(request):
    answer = reflection_pb2.ServerReflectionResponse(original_request=request)
    match request.WhichOneof("message_request"):
        case "list_services":
            answer.list_services_response.service.add(name="flood.v1.Flood")
        case "file_containing_symbol":
            answer.file_descriptor_response.file_descriptor_proto.extend(files(FIRST))
        case "file_by_filename":
            answer.file_descriptor_response.file_descriptor_proto.extend(files(request.file_by_filename))
    return answer


asked = itertools.count(1)


def reflect(requests, context):
    print(f"asked {next(asked)} times", flush=True)
    return map(answer, requests)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=[("grpc.max_send_message_length", -1)])
handler = grpc.stream_stream_rpc_method_handler(
    reflect,
    request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
    response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
)
for protocol in PROTOCOLS:
    service = f"{protocol}.ServerReflection"
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": handler})]
    )
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"listening 127.0.0.1:{port}", flush=True)
server.wait_for_termination()
