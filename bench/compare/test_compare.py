"""Tests of what the comparison calculates and writes; they start nothing.

./test bench
"""

import json
import unittest
import xml.dom.minidom
from types import SimpleNamespace
from unittest import mock

import answers
import collection
import compare
import dialects
import load
import main
import report
import scale
import stage
import workloads
from dialects import DIALECTS
from figures import ratio, verdicts
from gateways import GATEWAYS, OURS, REFERENCE, TRANSOM
from plot import Bar, bars, short
from process import Failed, kib
from workloads import GOALS, MAIN_SHAPE, SHAPES, WORKLOADS, Goal


class Answers(unittest.TestCase):
    def test_writings_of_the_same_message_are_the_same(self):
        for one, other in [
            ('{"a": "5"}', '{"a": 5}'),
            ('{"a": "-9223372036854775808"}', '{"a": -9223372036854775808}'),
            ('{"a": 1.0, "b": []}', '{"a": 1e0}'),
            ('{"a": null, "b": "", "c": false, "d": 0}', "{}"),
            ('{"t": "2026-01-02T03:04:05.500Z"}', '{"t": "2026-01-02T03:04:05.500000Z"}'),
            ('{"t": "2026-01-02T03:04:05.000Z"}', '{"t": "2026-01-02T03:04:05Z"}'),
            ('{"t": "1.500s"}', '{"t": "1.5s"}'),
            ('[{"a": 1, "b": 2}]', '[{"b": 2, "a": 1}]'),
            ('[{"a": 1},\n{}]\n', '[{"a":1},{"b":0}]'),
        ]:
            self.assertTrue(answers.same(one, other), (one, other))

    def test_other_messages_are_not_the_same(self):
        for one, other in [
            ('{"a": "05"}', '{"a": 5}'),
            ('{"a": "5"}', '{"a": 6}'),
            ('{"a": {}}', "{}"),
            ('{"a": true}', '{"a": 1}'),
            ("[0]", "[]"),
            ("[1, 2]", "[2, 1]"),
            ("[{}, {}]", "[{}]"),
            ("[{}, {}]", "{}{}"),
            ('{"t": "2026-01-02T03:04:50Z"}', '{"t": "2026-01-02T03:04:05Z"}'),
            ("{", "{"),
        ]:
            self.assertFalse(answers.same(one, other), (one, other))


class Loads(unittest.TestCase):
    PRINTED = (
        "\nfinished in 911.16ms, 21950.09 req/s, 5.71MB/s\nstatus codes: 98 2xx, 0 3xx, 2 4xx, 0 5xx\n"
        "traffic: 4.01KB (4106) total, 1.31KB (1344) headers (space savings 17.65%), 2.05KB (2098) data\n"
    )

    def test_output_and_log_are_read(self):
        log = "".join(f"1795518946143876\t200\t{micros}\n" for micros in range(100, 0, -1))
        seen = load.parse(self.PRINTED, log, 100)
        self.assertEqual((seen.requests, seen.errors, seen.data), (100, 2, 2098))
        self.assertAlmostEqual(seen.seconds, 0.91116)
        self.assertEqual((seen.p50, seen.p99, seen.p999), (0.050, 0.099, 0.100))

    def test_unknown_output_is_a_failure(self):
        with self.assertRaises(Failed):
            load.parse("no such option", "", 1)

    def test_percentiles_are_of_what_was_seen(self):
        for values, part, expected in [
            ([7], 0.5, 7),
            ([1, 2], 0.5, 1),
            ([1, 2, 3], 0.5, 2),
            ([1, 2, 3], 0.999, 3),
        ]:
            self.assertEqual(load.percentile(values, part), expected, (values, part))


class Figures(unittest.TestCase):
    def test_a_ratio_is_the_median_of_those_of_the_rounds(self):
        one, other = {"cpu": [10, 40, 30]}, {"cpu": [100, 100, 50]}
        found = ratio(one, other)
        self.assertEqual((found.middle, found.least, found.most), (0.4, 0.1, 0.6))
        self.assertIsNone(ratio(one, None))

    def test_goals_are_reached_missed_failed_or_not_measured(self):
        rows = [
            row("get", "transom", [30.0]),
            row("get", "envoy", [100.0]),
            row("list", "transom", [1.0], "wrong"),
            row("list", "envoy", [9.0]),
        ]
        goals = [
            Goal("get", "envoy", 0.3),
            Goal("get", "envoy", 0.29),
            Goal("list", "envoy", 1),
            Goal("get", "nginx", 1),
        ]
        found = verdicts(rows, goals, {"get": MAIN_SHAPE.name, "list": MAIN_SHAPE.name})
        self.assertEqual([each.reached for each in found], [True, False, False, False])
        self.assertEqual(found[2].failed, "wrong")
        self.assertIsNone(found[3].ratio)


class Dialects(unittest.TestCase):
    @staticmethod
    def answering(body):
        return mock.patch.object(dialects, "plain", lambda target, headers: dialects.Answered(body, len(body)))

    def test_grpc_web_is_a_message_and_trailers_that_say_ok(self):
        message = b"\0\0\0\0\2ab"
        for trailers in (b"grpc-status: 0\r\n", b"grpc-message:\r\nGrpc-Status:0\r\n"):
            body = message + b"\x80" + len(trailers).to_bytes(4, "big") + trailers
            with self.answering(body):
                self.assertEqual(dialects.grpc_web(None, {}), dialects.Answered(b"ab", len(body)))
        for body in [b"", message, message + message, message + b"\x80\0\0\0\x10grpc-status: 13\r\n", b"\0\0\0\0\3ab"]:
            with self.answering(body), self.assertRaises(dialects.Refused):
                dialects.grpc_web(None, {})


class Entries(unittest.TestCase):
    def test_names_are_unique_and_refer_to_what_there_is(self):
        for entries in (GATEWAYS, WORKLOADS, SHAPES):
            self.assertEqual(len({entry.name for entry in entries}), len(entries))
        self.assertLessEqual({OURS, REFERENCE}, {gateway.name for gateway in GATEWAYS})
        written = {(name, "json") for name in workloads.messages()}
        written |= {(name, form) for name in workloads.wires() for form in ("wire", "grpc")}
        rows = {}
        for workload in WORKLOADS:
            self.assertIn(workload.main, workload.shapes)
            self.assertLessEqual(set(workload.shapes), set(SHAPES))
            dialect, taking_part = DIALECTS[workload.dialect], stage.taking_part(workload, GATEWAYS)
            self.assertIn((workload.answer or workload.body, dialect.read), written)
            if workload.body:
                self.assertIn((workload.body, dialect.sent), written)
            others = [other for other in WORKLOADS if other.name in workload.beside]
            self.assertEqual(len(others), len(workload.beside))
            rows[workload.name] = [each.name for each in taking_part] + [f"{OURS} {each}" for each in workload.beside]
            self.assertIn(workload.reference, rows[workload.name])
            self.assertIn(OURS, rows[workload.name])
            for shape in workload.shapes:
                self.assertTrue(all(shape.protocol in TRANSOM.speaks[each.dialect] for each in [workload, *others]))
        for goal in GOALS:
            self.assertLessEqual({goal.row, goal.against}, set(rows[goal.workload]))

    def test_only_who_speaks_the_dialect_takes_part(self):
        by_name = {workload.name: workload for workload in WORKLOADS}
        for name, expected in [
            ("get", ["transom", "envoy", "nginx", "passthrough"]),
            ("grpc_118", ["transom", "envoy", "nginx", "passthrough"]),
            ("grpc_web", ["transom", "envoy"]),
            ("connect_json", ["transom"]),
            ("observed", ["transom", "transom_observed", "transom_logged"]),
        ]:
            taking_part = stage.taking_part(by_name[name], GATEWAYS)
            self.assertEqual([gateway.name for gateway in taking_part], expected, name)

    def test_templates_name_only_values_that_there_are(self):
        names = (
            "port",
            "h2c_port",
            "admin_port",
            "grpc",
            "http",
            "descriptors",
            "services",
            "config",
            "part",
            "work",
            "bin",
            "parts",
            "venv",
        )
        values = dict.fromkeys(names, "1")
        for gateway in GATEWAYS:
            template = (stage.HERE / "config" / gateway.config).read_text() if gateway.config else ""
            self.assertLessEqual(set(gateway.part), set(gateway.speaks))
            for text in [template, *gateway.part.values(), *gateway.command, *gateway.version]:
                self.assertNotIn("@port@", stage.fill(text, values))
        with self.assertRaisesRegex(Failed, "no value for `@nothing@`"):
            stage.fill("@nothing@", values)

    def test_unknown_names_are_told(self):
        with self.assertRaisesRegex(Failed, "no gateway `nobody`; there are transom, envoy"):
            compare.chosen_gateways(["nobody"])


class Messages(unittest.TestCase):
    def test_messages_have_their_sizes(self):
        for size in scale.SIZES:
            text = workloads.order(size)
            self.assertTrue(size - 400 <= len(text) <= max(size, 100), (size, len(text)))
            json.loads(text)
        for name, size in [
            ("order", 164),
            ("orders", 59_664),
            ("order_1k", 1_005),
            ("order_64k", 62_222),
            ("stream", 166_000),
        ]:
            self.assertEqual(len(workloads.messages()[name]), size)
        for name, size in [("order", 58), ("order_118", 118), ("order_1k", 453), ("order_64k", 30_604)]:
            self.assertEqual([len(wire) for wire in workloads.wires()[name]], [size])

    def test_streams_have_a_line_and_a_wire_message_for_each_element(self):
        text = workloads.messages()["stream"]
        elements = json.loads(text)
        self.assertEqual(len(elements), 1_000)
        self.assertEqual(len(text.splitlines()), 1_000)
        self.assertEqual(len(workloads.wires()["stream"]), 1_000)
        self.assertEqual(elements, [json.loads(workloads.messages()["order"])] * 1_000)

    def test_messages_are_framed_as_grpc_has_it(self):
        self.assertEqual(workloads.grpc([]), b"")
        self.assertEqual(workloads.grpc([b"ab", b""]), b"\0\0\0\0\2ab\0\0\0\0\0")
        self.assertEqual(workloads.grpc([b"c" * 258])[:5], b"\0\0\0\1\2")

    def test_lengths_are_varints(self):
        for value, expected in [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")]:
            self.assertEqual(workloads.varint(value), expected)
        self.assertEqual(workloads.field(2, b"testing"), b"\x12\x07testing")

    def test_collections_have_as_many_routes_as_asked(self):
        made, services = collection.collection(30)
        self.assertEqual(services[0::3], ["bench.Orders", "bench.scale.Service2"])
        self.assertEqual(made.count(b"{name=things/*}"), 30)
        self.assertIn(collection.request(30).path.removesuffix("/things/17").encode(), made)


class Documents(unittest.TestCase):
    def setUp(self):
        machine = {
            "cpu": "a CPU",
            "cores": 2,
            "virtual": True,
            "memory": 8,
            "kernel": "6.1",
            "date": "2026-01-02",
            "commit": "abc",
            "versions": {"transom": "1.0"},
            "h2load": "1.0",
            "busy": 0.1,
        }
        rows = [
            row("get", "transom", [50.0, 20.0]),
            row("get", "envoy", [100.0, 100.0]),
            row("get", "nginx", [70.0, 70.0], "3 requests failed"),
        ]
        rows += [
            row("connect_json", "transom", [21.0, 22.0]),
            row("connect_json", "transom post_1k", [20.0, 20.0]),
            row("observed", "transom", [20.0, 20.0]),
            row("observed", "transom_observed", [21.0, 21.5]),
            row("grpc_118", "transom", [10.0, 10.0]) | {"shape": "h2c-32"},
            row("grpc_118", "envoy", [40.0, 40.0]) | {"shape": "h2c-32"},
        ]
        self.about = machine
        self.found = {
            "machine": machine,
            "pace": {"rounds": 2, "seconds": 1},
            "other_pace": {"rounds": 1, "seconds": 0.5},
            "rows": rows,
            "paced": rows,
            "memory": [
                {"workload": "get", "gateway": name, "peak": 20.0} for name in ("transom", "envoy")
            ],
            "idle": [{"gateway": name, "1": 5.0, "256": 9.0} for name in ("transom", "envoy", "nginx")],
        }

    def test_won_lost_and_failed_are_all_written(self):
        document = report.markdown(self.found, "./bench/run")
        for line in [
            "| CPU time, small GET | Envoy | 0.350 (0.200–0.500) | at most 0.25 | **missed** |",
            "| CPU time, list of 64 KB | Envoy | – | at most 0.13 | not measured |",
            "| CPU time, small GET | nginx (no transcoding) | 0.500 (0.286–0.714) | at most 1.2 | 3 requests failed |",
            "| p99 at the same rate, small GET | Envoy | 1.00 | below 1 | **missed** |",
            "| memory, idle | – | 5.0 MiB | below 20 MiB | reached |",
            "| memory, 256 idle connections | Envoy | 1.00 | below 1 | **missed** |",
            "| HTTP/1.1, 32 connections | Transom | 35.0 | 0.350 (0.200–0.500) | 1,000 | 1.00 | 2.00 | 3.00 |",
            "| HTTP/1.1, 32 connections | nginx (no transcoding) | **failed** | 3 requests failed | | | | |",
            "| idle, 1 connection | 5.0 | 5.0 | 5.0 |",
            "| idle, 256 connections | 9.0 | 9.0 | 9.0 |",
            "| small GET | 20.0 | 20.0 | – |",
            "| small GET | 35 | 0.35 | – | 2.0, 2.0 | 20, 20 |",
            "| gRPC, 118 B each way | 10 | 0.25 | – | 2.0, 2.0 | –, – |",
            "| CPU time, gRPC, 118 B each way | Envoy | 0.250 (0.250–0.250) | at most 0.33 | reached |",
            "| CPU time, Connect with JSON, 1 KB | Transom, POST of 1 KB | 1.075 (1.050–1.100) | at most 1.1 | reached |",
            "| CPU time, small GET, observed (Transom, metrics scraped and 1 % traced) | Transom | 1.062 (1.050–1.075) "
            "| at most 1.05 | **missed** |",
            "2 rounds of about 1 s with 32 requests under way and 1 rounds of about 0.5 s otherwise",
            "waited for its core 1.0% of the time, 1.0% at worst.",
            "Others used 10% of its cores when it began.",
        ]:
            self.assertIn(line, document)

    def test_pictures_are_well_formed(self):
        points = [{"x": 10, "transom": 1.5, "envoy": 30.0}, {"x": 2_000, "transom": 2.5, "envoy": 31.0}]
        found = {name: points for name, *_ in scale.DIAGRAMS}
        for picture in (
            main.picture(self.found),
            scale.picture(found),
            bars("a & b", [("<", [Bar("x", "y", 0, "")])]),
        ):
            self.assertEqual(xml.dom.minidom.parseString(picture).documentElement.tagName, "svg")
        self.assertIn("failed", main.picture(self.found))
        self.assertIn("| 2,000 | 2.5 | 31.0 |", scale.markdown(found, self.about, "./bench/run scale"))

    def test_small_helpers(self):
        self.assertEqual([short(value) for value in (0.1, 1.0, 1e4, 1e6)], ["0.1", "1", "10k", "1M"])
        self.assertEqual(kib("VmPeak:\t  9 kB\nVmHWM:\t  1234 kB\n", "VmHWM"), 1234)
        arguments = SimpleNamespace(what="compare", quick=True, only=["get"], gateway=["envoy", "transom"])
        self.assertEqual(
            main.command(arguments), "./bench/run --quick --only get --gateway envoy --gateway transom"
        )


def row(workload, gateway, cpu, failed=None):
    many = len(cpu)
    return {
        "workload": workload,
        "shape": MAIN_SHAPE.name,
        "gateway": gateway,
        "cpu": cpu,
        "waited": [0.01] * many,
        "rate": [1000.0] * many,
        "p50": [1.0] * many,
        "p99": [2.0] * many,
        "p999": [3.0] * many,
        "errors": [0] * many,
        "failed": failed,
    }


if __name__ == "__main__":
    unittest.main()
