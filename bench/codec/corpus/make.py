"""Makes the messages of the codec benchmark: for each NAME.json and NAME.wire, the same in every run.

    protoc --include_imports -o corpus.binpb corpus.proto
    python make.py
"""

import json
import pathlib
import random

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

HERE = pathlib.Path(__file__).parent
POOL = descriptor_pool.DescriptorPool()
for file in descriptor_pb2.FileDescriptorSet.FromString((HERE / "corpus.binpb").read_bytes()).file:
    POOL.Add(file)
TYPES = {name: message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"bench.{name}"))
         for name in ("Order", "Kinds", "Item")}
WORDS = ("amber basil cedar delta ember fjord grove haven inlet jolly karst lotus maple north ocean prism "
         "quartz river stone tulip umber vivid willow xenon yield zephyr").split()
RANDOM = random.Random(20_261_124)


def words(count):
    return " ".join(RANDOM.choice(WORDS) for _ in range(count))


def seconds():
    return RANDOM.randrange(1_500_000_000, 1_900_000_000)


def fill_item(item):
    item.sku = f"SKU-{RANDOM.randrange(10**8):08}"
    item.display_name = words(3)
    item.quantity = RANDOM.randrange(1, 40)
    item.price_micros = RANDOM.randrange(10**9)
    item.weight_kg = RANDOM.randrange(1, 50_000) / 1000
    item.color = RANDOM.randrange(4)
    item.image_uris.extend(f"https://images.example.com/{RANDOM.randrange(10**6)}.png" for _ in range(2))
    item.warehouse.latitude = RANDOM.uniform(-90, 90)
    item.warehouse.longitude = RANDOM.uniform(-180, 180)
    item.update_time.seconds = seconds()
    item.update_time.nanos = RANDOM.randrange(1000) * 1_000_000
    item.serial = RANDOM.randrange(2**63)


def order(items, labels, more):
    message = TYPES["Order"]()
    message.id = f"orders/{RANDOM.randrange(10**10)}"
    message.customer_name = "Zo\u00eb " + words(1)
    message.revision = RANDOM.randrange(10**12)
    message.total = RANDOM.randrange(10**6) / 100
    message.paid = True
    message.status = RANDOM.randrange(1, 5)
    message.create_time.seconds = seconds()
    if more:
        message.shipping_address.street = f"{RANDOM.randrange(200)} {words(2)}"
        message.shipping_address.city = words(1)
        message.shipping_address.postal_code = f"{RANDOM.randrange(10**5):05}"
        message.shipping_address.country_code = "NL"
        message.shipping_address.location.latitude = RANDOM.uniform(-90, 90)
        message.shipping_address.location.longitude = RANDOM.uniform(-180, 180)
        message.signature = RANDOM.randbytes(32)
        message.tags.extend(RANDOM.sample(WORDS, 4))
        message.note = "Leave it \"at the door\",\nplease."
        message.scores.extend(RANDOM.randrange(1000) for _ in range(8))
        message.time_to_live.seconds = RANDOM.randrange(10**6)
        message.time_to_live.nanos = 500_000_000
    for _ in range(items):
        fill_item(message.items.add())
    for at in range(labels):
        message.labels[f"{RANDOM.choice(WORDS)}-{at}"] = words(1)
        message.counters[f"{RANDOM.choice(WORDS)}_{at}"] = RANDOM.randrange(10**9)
    return message


def kind(fill):
    message = TYPES["Kinds"]()
    fill(message)
    return message


def fill_map(message):
    for at in range(3000):
        message.string_map[f"key-{RANDOM.randrange(10**9)}"] = words(1)


def fill_message_map(message):
    for at in range(1000):
        message.message_map[RANDOM.randrange(2**62)].latitude = RANDOM.uniform(-90, 90)


def fill_node(message):
    node = message.node
    for depth in range(50):
        node.value = depth + 1
        node.name = words(1)
        node = node.child
    node.value = 1


def fill_struct(message):
    def value(depth):
        match RANDOM.randrange(6 if depth < 4 else 4):
            case 0:
                return RANDOM.randrange(10**6) / 8
            case 1:
                return words(2)
            case 2:
                return True
            case 3:
                return None
            case 4:
                return [value(depth + 1) for _ in range(6)]
            case _:
                return {f"{RANDOM.choice(WORDS)}{at}": value(depth + 1) for at in range(6)}

    message.struct.update({f"member{at}": value(0) for at in range(60)})


def fill_anys(message):
    for _ in range(60):
        item = TYPES["Item"]()
        fill_item(item)
        message.anys.add().Pack(item)


def fill_times(message):
    for _ in range(1000):
        message.times.add(seconds=seconds(), nanos=RANDOM.randrange(10**9))


def fill_wrappers(message):
    for _ in range(1000):
        message.wrappers.add(value=RANDOM.randrange(10**9))


def bits(count):
    return [RANDOM.getrandbits(RANDOM.randrange(1, count)) for _ in range(6000)]


MESSAGES = {
    "mixed_200": order(0, 0, False),
    "mixed_1k": order(1, 1, True),
    "mixed_4k": order(8, 6, True),
    "mixed_16k": order(38, 20, True),
    "mixed_64k": order(160, 60, True),
    "int32s": kind(lambda m: m.int32s.extend(bits(31))),
    "int64s": kind(lambda m: m.int64s.extend(bits(63))),
    "doubles": kind(lambda m: m.doubles.extend(RANDOM.gauss(0, 1000) for _ in range(4000))),
    "short_doubles": kind(lambda m: m.doubles.extend(RANDOM.randrange(10**5) / 100 for _ in range(6000))),
    "floats": kind(lambda m: m.floats.extend(RANDOM.gauss(0, 1000) for _ in range(4000))),
    "bools": kind(lambda m: m.bools.extend(RANDOM.randrange(2) for _ in range(6000))),
    "enums": kind(lambda m: m.colors.extend(RANDOM.randrange(4) for _ in range(4000))),
    "text": kind(lambda m: setattr(m, "text", words(11_000))),
    "text_unicode": kind(lambda m: setattr(m, "text", "\u00e9\u4e2d\U0001f601 abc " * 5000)),
    "text_escapes": kind(lambda m: setattr(m, "text", "a \"quoted\"\tword\\\n" * 4000)),
    "text_controls": kind(lambda m: setattr(m, "text", "\u0001\u001f\n" * 8000)),
    "texts": kind(lambda m: m.texts.extend(RANDOM.choice(WORDS) for _ in range(6000))),
    "blob": kind(lambda m: setattr(m, "blob", RANDOM.randbytes(48_000))),
    "string_map": kind(fill_map),
    "message_map": kind(fill_message_map),
    "node": kind(fill_node),
    "struct": kind(fill_struct),
    "anys": kind(fill_anys),
    "times": kind(fill_times),
    "wrappers": kind(fill_wrappers),
}


def main():
    for name, message in MESSAGES.items():
        value = json.loads(json_format.MessageToJson(message, descriptor_pool=POOL))
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        (HERE / f"{name}.json").write_text(text)
        (HERE / f"{name}.wire").write_bytes(message.SerializeToString(deterministic=True))
    order = json.loads((HERE / "mixed_4k.json").read_text())
    (HERE / "mixed_4k_indented.json").write_text(json.dumps(order, indent=2, ensure_ascii=False))
    (HERE / "mixed_4k_indented.wire").write_bytes((HERE / "mixed_4k.wire").read_bytes())
    # Members in no useful order.
    text = json.dumps(shuffled(order), separators=(",", ":"), ensure_ascii=False)
    (HERE / "mixed_4k_shuffled.json").write_text(text)
    (HERE / "mixed_4k_shuffled.wire").write_bytes((HERE / "mixed_4k.wire").read_bytes())


def shuffled(value):
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in RANDOM.sample(sorted(value), len(value))}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


main()
