"""Sends random messages through the gateway with httpx and compares the answers with Python's protobuf.

Each message is written as JSON by Python and echoed. The answer must be the canonical JSON of the same message.
With the same seed the messages are the same.
"""

import argparse
import ctypes
import json
import os
import random
import struct
import sys

import grpc
import httpx
from google.protobuf import descriptor, json_format, message_factory

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb = grpc.protos("echo.proto")

Field = descriptor.FieldDescriptor
INTEGERS = {
    Field.TYPE_INT32: (-(2**31), 2**31 - 1),
    Field.TYPE_SINT32: (-(2**31), 2**31 - 1),
    Field.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    Field.TYPE_UINT32: (0, 2**32 - 1),
    Field.TYPE_FIXED32: (0, 2**32 - 1),
    Field.TYPE_INT64: (-(2**63), 2**63 - 1),
    Field.TYPE_SINT64: (-(2**63), 2**63 - 1),
    Field.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    Field.TYPE_UINT64: (0, 2**64 - 1),
    Field.TYPE_FIXED64: (0, 2**64 - 1),
}
LETTERS = "aZ09 \"\\/\b\f\n\r\t\x00\x1f\x7f<>&'\u00e9\u20ac\u2028\ufeff\U0001f600\U0010ffff"
DOUBLES = [0.0, -0.0, 1.0, -1.5, 0.1, 1e-7, 1e21, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf")]


class Writer:
    """Fills messages at random."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self):
        return "".join(self.random.choice(LETTERS) for _ in range(self.random.randrange(12)))

    def double(self):
        return self.random.choice([*DOUBLES, self.random.uniform(-1e6, 1e6)])

    def float(self):
        number = self.random.choice([0.0, 1.0, -0.1, 3.4e38, 1.4e-45, self.random.uniform(-1e6, 1e6)])
        return struct.unpack("f", struct.pack("f", number))[0]

    def scalar(self, field):
        if field.type in INTEGERS:
            low, high = INTEGERS[field.type]
            return self.random.choice([low, high, 0, 1, self.random.randint(low, high)])
        if field.type == Field.TYPE_DOUBLE:
            return self.double()
        if field.type == Field.TYPE_FLOAT:
            return self.float()
        if field.type == Field.TYPE_BOOL:
            return self.random.random() < 0.5
        if field.type == Field.TYPE_STRING:
            return self.text()
        if field.type == Field.TYPE_BYTES:
            return self.random.randbytes(self.random.randrange(9))
        return self.random.choice([*(value.number for value in field.enum_type.values), 77])

    def json_value(self, depth):
        kind = self.random.randrange(6 if depth else 4)
        if kind == 4:
            return [self.json_value(depth - 1) for _ in range(self.random.randrange(3))]
        if kind == 5:
            return {self.text(): self.json_value(depth - 1) for _ in range(self.random.randrange(3))}
        return [None, self.random.random() < 0.5, self.random.uniform(-1e9, 1e9), self.text()][kind]

    def message(self, kind, depth):
        name = kind.full_name
        made = message_factory.GetMessageClass(kind)()
        if name == "google.protobuf.Timestamp":
            made.seconds = self.random.choice([-62135596800, 253402300799, 0, self.random.randrange(4 * 10**9)])
            made.nanos = self.random.choice([0, 1, 999999999, 1000000, 1000])
        elif name == "google.protobuf.Duration":
            sign = self.random.choice([-1, 1])
            made.seconds = sign * self.random.choice([0, 1, 315576000000])
            made.nanos = sign * self.random.choice([0, 1, 500000000]) if abs(made.seconds) < 2 else 0
        elif name == "google.protobuf.FieldMask":
            made.paths.extend(self.random.sample(["a", "b_c", "d.e_f.g"], self.random.randrange(4)))
        elif name == "google.protobuf.Struct":
            made.update({self.text(): self.json_value(2) for _ in range(self.random.randrange(3))})
        elif name == "google.protobuf.ListValue":
            made.extend([self.json_value(2) for _ in range(self.random.randrange(3))])
        elif name == "google.protobuf.Value":
            json_format.ParseDict(self.json_value(2), made)
        elif name == "google.protobuf.Any":
            made.Pack(self.content_of_any())
        else:
            self.fill(made, depth)
        return made

    def content_of_any(self):
        kind = self.random.choice(["echo.v1.Everything", "google.protobuf.Timestamp", "google.protobuf.Int64Value"])
        made = self.message(pb.DESCRIPTOR.pool.FindMessageTypeByName(kind), 0)
        # The bytes of an Any are compared, and those of a map come in any order.
        for field, _ in made.ListFields():
            if field.message_type and field.message_type.GetOptions().map_entry:
                made.ClearField(field.name)
        for name in ["struct", "value", "list", "any"] if kind == "echo.v1.Everything" else []:
            made.ClearField(name)
        return made

    def fill(self, message, depth):
        for field in message.DESCRIPTOR.fields:
            share = 1 if message.DESCRIPTOR.file.name.endswith("wrappers.proto") else 0.15
            if self.random.random() > share:
                continue
            if field.message_type and field.message_type.full_name == "echo.v1.Everything" and depth == 0:
                continue
            if field.message_type and field.message_type.GetOptions().map_entry:
                self.fill_map(message, field, depth)
            elif field.is_repeated:
                for _ in range(self.random.randrange(1, 4)):
                    made = self.value(field, depth)
                    getattr(message, field.name).append(made)
            elif field.message_type:
                getattr(message, field.name).CopyFrom(self.value(field, depth))
                getattr(message, field.name).SetInParent()
            else:
                setattr(message, field.name, self.scalar(field))

    def fill_map(self, message, field, depth):
        key_field, value_field = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(self.random.randrange(1, 4)):
            key, entries = self.scalar(key_field), getattr(message, field.name)
            if value_field.message_type:
                entries[key].CopyFrom(self.value(value_field, depth))
            else:
                entries[key] = self.value(value_field, depth)

    def value(self, field, depth):
        return self.message(field.message_type, depth - 1) if field.message_type else self.scalar(field)


def same(expected, found):
    """Compares JSON; numbers as the nearest float where Python writes one with fewer digits."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same(expected[key], found[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    if isinstance(expected, bool) or isinstance(found, bool) or not isinstance(expected, (int, float)):
        return type(expected) is type(found) and expected == found
    if not isinstance(found, (int, float)):
        return False
    return expected == found or single(expected) == single(found)


def single(number):
    return ctypes.c_float(number).value


def check(client, url, message):
    text = json_format.MessageToJson(message, indent=None)
    answer = client.post(f"{url}/v1/echo", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}\nfor {text}"
    again = json_format.Parse(answer.text, pb.Everything())
    assert again == message, f"another message came back\nsent     {text}\nreceived {answer.text}"
    assert same(json.loads(text), json.loads(answer.text)), f"not canonical\nsent     {text}\nreceived {answer.text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gateway", help="its URL")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--http2", action="store_true", help="by prior knowledge; otherwise HTTP/1.1")
    arguments = parser.parse_args()

    writer = Writer(arguments.seed)
    with httpx.Client(http1=not arguments.http2, http2=arguments.http2, timeout=30) as client:
        for number in range(arguments.count):
            message = pb.Everything()
            writer.fill(message, depth=2)
            try:
                check(client, arguments.gateway.rstrip("/"), message)
            except (AssertionError, json_format.ParseError) as error:
                sys.exit(f"message {number} of seed {arguments.seed}: {error}")
    print(f"{arguments.count} messages agree")


if __name__ == "__main__":
    main()
