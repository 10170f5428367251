"""The reference implementation of protobuf as a judge.

Arguments: the file of a descriptor set. Each line of the input is a kind, a message type and base64, in
columns parted by tabs; each line of the output answers one of the input, in base64:
  wire TYPE BYTES    the JSON text of the message, a tab, its wire bytes in their canonical form
  json TYPE TEXT     the same for JSON text
or "error", a tab, and the reason.
"""

import base64
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


def load(path):
    pool = descriptor_pool.DescriptorPool()
    with open(path, "rb") as file:
        descriptors = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    waiting = {file.name: file for file in descriptors.file}

    def add(file):
        for name in file.dependency:
            if name in waiting:
                add(waiting.pop(name))
        pool.Add(file)

    while waiting:
        add(waiting.popitem()[1])
    return pool


def tidy(pool, message):
    """Drops what the schema does not know, as it has no JSON form, and makes the content of Any canonical."""
    message.DiscardUnknownFields()
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_MESSAGE, field.TYPE_GROUP):
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type:
                for each in value.values():
                    tidy(pool, each)
        else:
            for each in value if field.is_repeated else [value]:
                tidy(pool, each)
    if message.DESCRIPTOR.full_name == "google.protobuf.Any" and message.type_url:
        name = message.type_url.rsplit("/", 1)[1]
        inner = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()
        inner.ParseFromString(message.value)
        tidy(pool, inner)
        message.value = inner.SerializeToString(deterministic=True)


def answer(pool, kind, name, content):
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()
    if kind == "wire":
        message.ParseFromString(content)
    else:
        json_format.Parse(content, message, descriptor_pool=pool)
    text = json_format.MessageToJson(message, indent=None, descriptor_pool=pool)
    tidy(pool, message)
    return [text.encode(), message.SerializeToString(deterministic=True)]


def main():
    pool = load(sys.argv[1])
    for line in sys.stdin:
        kind, name, content = line.rstrip("\n").split("\t")
        try:
            parts = answer(pool, kind, name, base64.b64decode(content))
            print("\t".join(base64.b64encode(part).decode() for part in parts))
        except Exception as error:  # Whatever is wrong is the answer.
            print("error\t" + base64.b64encode(str(error).encode()).decode())


if __name__ == "__main__":
    main()
