"""A reader of Transom's XML of its own: lxml and protobuf's reflection.

Arguments: the file of a descriptor set. Each line of the input is a message type and XML in base64, parted by a tab;
each line of the output is the wire form of the message in base64, or "error", a tab, and the reason.
"""

import base64
import re
import sys

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor as F
from lxml import etree
from oracle import load

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
PB = "urn:google.protobuf"
WRAPPERS = {f"google.protobuf.{name}Value" for name in
            ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")}


def plain(text):
    units = re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text or "")
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def split(element):
    name = etree.QName(element)
    return name.namespace, plain(name.localname)


def children(element, space, name):
    found = [child for child in element if isinstance(child.tag, str)]
    for child in found:
        assert split(child) == (space, name), child.tag
    return found


def number(text):
    return {"INF": float("inf"), "-INF": float("-inf"), "NaN": float("nan")}.get(text) or float(text)


def scalar(field, element):
    text = element.text or ""
    assert len(element) == 0
    if field.type == F.TYPE_STRING:
        return plain(text)
    if field.type == F.TYPE_BYTES:
        return base64.b64decode(text, validate=True)
    if field.type == F.TYPE_BOOL:
        return {"true": True, "false": False}[text]
    if field.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
        return float("nan") if text == "NaN" else number(text)
    if field.type == F.TYPE_ENUM:
        value = field.enum_type.values_by_name.get(text)
        return value.number if value else int(text)
    return int(text)


def value(element, message):
    kind = element.get("kind")
    if kind == "null":
        assert element.get(XSI + "nil") == "true" and not element.text
        message.null_value = 0
    elif kind == "number":
        message.number_value = float(element.text)
    elif kind == "string":
        message.string_value = plain(element.text)
    elif kind == "bool":
        message.bool_value = {"true": True, "false": False}[element.text]
    elif kind == "struct":
        message.struct_value.SetInParent()
        struct(element, message.struct_value)
    else:
        assert kind == "list"
        message.list_value.SetInParent()
        values(element, message.list_value)


def struct(element, message):
    for entry in children(element, PB, "entry"):
        key, inner = entry
        assert (split(key), split(inner)) == ((PB, "key"), (PB, "value"))
        value(inner, message.fields[plain(key.text)])


def values(element, message):
    for item in children(element, PB, "item"):
        value(item, message.values.add())


class Reader:
    def __init__(self, pool):
        self.pool = pool

    def any(self, element, message):
        if len(element) == 0:
            return
        kind, content = element
        assert split(kind) == (PB, "type")
        message.type_url = plain(kind.text)
        if split(content) == (PB, "value"):
            message.value = base64.b64decode(content.text or "", validate=True)
            return
        message.value = self.root(message.type_url.rsplit("/", 1)[1], content).SerializeToString(deterministic=True)

    def root(self, name, element):
        descriptor = self.pool.FindMessageTypeByName(name)
        space = f"urn:{descriptor.file.package}"
        assert split(element) == (space, name.removeprefix(descriptor.file.package + ".")), element.tag
        message = message_factory.GetMessageClass(descriptor)()
        self.message(element, message)
        return message

    def message(self, element, message):
        name = message.DESCRIPTOR.full_name
        if name == "google.protobuf.Any":
            return self.any(element, message)
        if name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
            return message.FromJsonString(element.text)
        if name == "google.protobuf.FieldMask":
            return message.FromJsonString(element.text or "")
        if name == "google.protobuf.Struct":
            return struct(element, message)
        if name == "google.protobuf.Value":
            return value(element, message)
        if name == "google.protobuf.ListValue":
            return values(element, message)
        if name in WRAPPERS:
            message.value = scalar(message.DESCRIPTOR.fields_by_name["value"], element)
            return None
        return self.fields(element, message)

    def fields(self, element, message):
        assert not (element.text or "").strip()
        fields = {field.json_name: field for field in message.DESCRIPTOR.fields}
        for extension in self.pool.FindAllExtensions(message.DESCRIPTOR):
            fields[f"[{extension.full_name}]"] = extension
        space, last = f"urn:{message.DESCRIPTOR.file.package}", -1
        for child in element:
            assert split(child)[0] == space, child.tag
            field = fields[split(child)[1]]
            # Extensions stand behind the fields, in an order of their own.
            place = len(fields) if field.is_extension else list(fields).index(split(child)[1])
            assert field.is_extension or place > last or (place == last and field.is_repeated and not self.is_map(field)), "order"
            assert place >= last, "extensions"
            last = place
            if field.is_extension:
                if field.type in (F.TYPE_MESSAGE, F.TYPE_GROUP):
                    target = message.Extensions[field]
                    if field.is_repeated:
                        target = target.add()
                    else:
                        target.SetInParent()
                    self.message(child, target)
                elif field.is_repeated:
                    message.Extensions[field].append(scalar(field, child))
                else:
                    message.Extensions[field] = scalar(field, child)
            elif self.is_map(field):
                self.map(child, field, getattr(message, field.name), space)
            elif field.type in (F.TYPE_MESSAGE, F.TYPE_GROUP):
                target = getattr(message, field.name)
                if field.is_repeated:
                    target = target.add()
                else:
                    target.SetInParent()
                self.message(child, target)
            elif field.is_repeated:
                getattr(message, field.name).append(scalar(field, child))
            else:
                setattr(message, field.name, scalar(field, child))

    @staticmethod
    def is_map(field):
        return bool(field.message_type and field.message_type.GetOptions().map_entry)

    def map(self, element, field, target, space):
        key_field, value_field = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for entry in children(element, space, "entry"):
            key, inner = entry
            assert (split(key), split(inner)) == ((space, "key"), (space, "value"))
            key = scalar(key_field, key)
            if value_field.message_type:
                self.message(inner, target[key])
            else:
                target[key] = scalar(value_field, inner)


def main():
    reader = Reader(load(sys.argv[1]))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    for line in sys.stdin:
        name, content = line.rstrip("\n").split("\t")
        try:
            root = etree.fromstring(base64.b64decode(content), parser)
            message = reader.root(name, root)
            print(base64.b64encode(message.SerializeToString(deterministic=True)).decode())
        except Exception as error:  # Whatever is wrong is the answer.
            print("error\t" + base64.b64encode(repr(error).encode()).decode())


main()
