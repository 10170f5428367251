"""Clients of SOAP that others wrote, generated from the WSDL that the gateway at the given URL serves: zeep for SOAP 1.1 and
1.2, suds, and lxml as an independent reader that holds every answer against the served XML Schema."""

import datetime
import subprocess
import sys
import tempfile

import httpx
import suds
import suds.client
import zeep
from lxml import etree
from zeep import xsd

GATEWAY = sys.argv[1]
ECHO = f"{GATEWAY}/soap/echo.v1.Echo"
STREAMS = f"{GATEWAY}/soap/echo.v1.Streams"
SOAP = {
    "Soap11": ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml"),
    "Soap12": ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml"),
}
UTC = datetime.timezone.utc
CHILD = {"string": "c", "child": {"int32": 1}}
EVERYTHING = {
    "double": 1.5, "float": -0.25, "int32": -(2**31), "int64": -(2**63), "uint32": 2**32 - 1, "uint64": 2**64 - 1,
    "sint32": -1, "sint64": 2**63 - 1, "fixed32": 1, "fixed64": 2**63, "sfixed32": -2, "sfixed64": -3, "bool": True,
    "string": "a <b> & \u00e9\u20ac \U0001f600 ]]>\nline", "bytes": b"\x00\xff\x10", "colour": "RED", "child": CHILD,
    "optionalDouble": 0.0, "optionalInt64": 0, "optionalBool": False, "optionalString": "x", "optionalBytes": b"x",
    "optionalColour": "INFRARED",
    "doubles": [0.1, -2e300], "floats": [1.0], "int32s": [1, -2], "uint64s": [2**64 - 1],
    "sint64s": [-1], "fixed64s": [1], "bools": [True, False], "strings": ["a", "b c"], "byteses": [b"a", b"\xff"],
    "colours": ["GREEN", "RED"], "children": [{"string": "1"}, {"string": "2"}], "unpacked": [7],
    "byString": {"entry": [{"key": "k<", "value": "v&"}]},
    "byInt32": {"entry": [{"key": -1, "value": 2**40}]},
    "byInt64": {"entry": [{"key": 2**40, "value": b"\x01"}]},
    "byUint32": {"entry": [{"key": 1, "value": "GREEN"}]},
    "byUint64": {"entry": [{"key": 2**64 - 1, "value": True}]},
    "bySint32": {"entry": [{"key": -5, "value": 0.5}]},
    "byFixed64": {"entry": [{"key": 9, "value": CHILD}]},
    "byBool": {"entry": [{"key": True, "value": datetime.datetime(2026, 1, 5, 9, 0, tzinfo=UTC)}]},
    "choiceMessage": {"bool": True},
    "timestamp": datetime.datetime(2026, 11, 24, 17, 40, 7, 250000, tzinfo=UTC), "duration": "1.500s", "mask": "a,bC.d",
    "doubleValue": 0.5, "floatValue": 0.25, "int64Value": 0, "uint64Value": 5, "int32Value": -5, "uint32Value": 6,
    "boolValue": False, "stringValue": "s", "bytesValue": b"b",
    "timestamps": [datetime.datetime(1970, 1, 1, tzinfo=UTC)], "stringValues": ["a", "b"],
    "aNameOfManyWords": "words", "_x0040_own": "own",
}


def check(found, expected, what):
    assert found == expected, f"{what}: {found!r} is not {expected!r}"


def plain(value):
    """What zeep gives, without what is not set."""
    if isinstance(value, dict) or hasattr(value, "__values__"):
        pairs = (value if isinstance(value, dict) else value.__values__).items()
        pairs = ((key, plain(each)) for key, each in pairs)
        return {key: each for key, each in pairs if each is not None and each != []}
    return [plain(each) for each in value] if isinstance(value, list) else value


def zeep_client(url, suffix):
    client = zeep.Client(f"{url}?wsdl", settings=zeep.Settings(strict=True, xml_huge_tree=True))
    name = url.rsplit(".", 1)[1]
    return client, client.bind(name, name + suffix)


def zeep_calls_everything(suffix):
    client, echo = zeep_client(ECHO, suffix)
    answer = echo.Echo(**EVERYTHING)
    found = plain(answer)
    # An empty message is a value too.
    check({key: found.get(key) for key in EVERYTHING}, EVERYTHING, "Echo")
    check(sorted(found), sorted(EVERYTHING), "the fields of the answer")
    check(plain(echo.Echo()) or {}, {}, "the empty message")
    chosen = plain(echo.Echo(choiceString="", timestamp=None))
    check(chosen.get("choiceString", ""), "", "a member of a oneof")
    received = [entry["key"] for entry in echo.Metadata(initial=[{"key": "x-a", "text": "1"}])]
    assert "user-agent" in received, received
    info = client.get_element("{urn:google.rpc}ErrorInfo")
    any_of = {"type": "type.googleapis.com/google.rpc.ErrorInfo",
              "_value_1": xsd.AnyObject(info, info(reason="R", domain="d"))}
    found = echo.Echo(any=any_of)["any"]
    check((found["type"], found["_value_1"]["reason"]), (any_of["type"], "R"), "an Any")


def zeep_catches_typed_faults(suffix):
    client, echo = zeep_client(ECHO, suffix)
    bad = client.get_element("{urn:google.rpc}BadRequest")
    detail = {"type": "type.googleapis.com/google.rpc.BadRequest",
              "_value_1": xsd.AnyObject(bad, bad(fieldViolations=[{"field": "title", "description": "too <long>"}]))}
    for code, sender in [(3, True), (5, True), (7, True), (14, False), (13, False)]:
        try:
            echo.Fail(status={"code": code, "message": "It <failed>.", "details": [detail]})
            raise AssertionError("no fault")
        except zeep.exceptions.Fault as fault:
            check(fault.message, "It <failed>.", "the reason")
            names = ("Client", "Server") if suffix == "Soap11" else ("Sender", "Receiver")
            assert fault.code.endswith(names[0 if sender else 1]), fault.code
            status = client.wsdl.types.deserialize(fault.detail[0])
            check((status["code"], status["message"]), (code, "It <failed>."), "the status")
            violation = status["details"][0]["_value_1"]["fieldViolations"][0]
            check((violation["field"], violation["description"]), ("title", "too <long>"), "the detail")
    try:
        echo.Fail(status={"code": 5, "message": ""}, undeclared=b"\x01\x02")
    except zeep.exceptions.Fault as fault:
        detail = fault.detail[0].find("{urn:google.rpc}details")
        check(detail[0].text, "type.googleapis.com/nowhere.v1.Declared", "the type of an unknown detail")
        check(detail[1].text, "AQI=", "its bytes")


def zeep_reads_streams(suffix):
    _, streams = zeep_client(STREAMS, suffix)
    found = streams.Watch(id=f"list-{suffix}", count=3, size=2)
    check([(item["number"], item["text"]) for item in found], [(1, "xx"), (2, "xx"), (3, "xx")], "Watch")
    assert not streams.Watch(id=f"none-{suffix}"), "an empty list"
    check(len(streams.Watch(id=f"most-{suffix}", count=1000)), 1000, "the longest list")
    for request, expected in [({"count": 1001}, "more than 1000 messages"), ({"count": 2, "code": 9}, "Told to fail.")]:
        try:
            streams.Watch(id=f"fails-{suffix}", **request)
            raise AssertionError("no fault")
        except zeep.exceptions.Fault as fault:
            assert expected in fault.message, fault.message


def suds_calls():
    client = suds.client.Client(f"{ECHO}?wsdl", cache=None)
    child = {"string": "c", "children": [{"int32": 1}, {"int32": 2}]}
    answer = client.service.Echo(
        double=1.5, int64=2**40, bool=True, string="a <b> & \u00e9", bytes="AP8=", colour="GREEN", strings=["a", "b"],
        child=child, byString={"entry": [{"key": "k", "value": "v"}]}, int64Value=0,
        timestamp=datetime.datetime(2026, 1, 5, 9, 0, tzinfo=UTC), duration="2s",
    )
    check((answer.double, answer.int64, answer.bool, answer.string), (1.5, 2**40, True, "a <b> & \u00e9"), "scalars")
    check((answer.bytes, answer.colour, list(answer.strings)), ("AP8=", "GREEN", ["a", "b"]), "more scalars")
    check([each.int32 for each in answer.child.children], [1, 2], "nested")
    check((answer.byString.entry[0].key, answer.byString.entry[0].value, answer.int64Value), ("k", "v", 0), "a map")
    check(answer.timestamp.astimezone(UTC), datetime.datetime(2026, 1, 5, 9, 0, tzinfo=UTC), "a time")
    try:
        client.service.Fail({"code": 5, "message": "Not there."})
        raise AssertionError("no fault")
    except suds.WebFault as fault:
        check(fault.fault.faultstring, "Not there.", "the reason")
        check(fault.fault.detail.Status.code, "5", "the status")


def body_of(answer, suffix):
    """The element in the body of an answer, as a document of its own."""
    root = etree.fromstring(answer.content)
    namespace, media_type = SOAP[suffix]
    check(root.tag, f"{{{namespace}}}Envelope", "the envelope")
    check(answer.headers["content-type"], f"{media_type}; charset=utf-8", "the content type")
    (body,) = root.findall(f"{{{namespace}}}Body")
    (inside,) = body
    return etree.fromstring(etree.tostring(inside))


def post(url, suffix, inside):
    namespace, media_type = SOAP[suffix]
    text = f"<e:Envelope xmlns:e='{namespace}'><e:Body>{inside}</e:Body></e:Envelope>"
    return httpx.post(url, content=text.encode(), headers={"content-type": media_type})


VALUES = """<struct xmlns:g='urn:google.protobuf' xmlns:i='http://www.w3.org/2001/XMLSchema-instance'>
  <g:entry><g:key>n</g:key><g:value kind='number'>1.5</g:value></g:entry>
  <g:entry><g:key>s</g:key><g:value kind='string'>a &lt; b</g:value></g:entry>
  <g:entry><g:key>b</g:key><g:value kind='bool'>true</g:value></g:entry>
  <g:entry><g:key>z</g:key><g:value kind='null' i:nil='true'/></g:entry>
  <g:entry><g:key>l</g:key><g:value kind='list'><g:item kind='string'/><g:item kind='null' i:nil='true'/></g:value></g:entry>
  <g:entry><g:key>o</g:key><g:value kind='struct'><g:entry><g:key/><g:value kind='list'/></g:entry></g:value></g:entry>
</struct><value kind='null' xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/>
<list xmlns:g='urn:google.protobuf'><g:item kind='number'>2</g:item></list><empty/>
<any xmlns:g='urn:google.protobuf'><g:type>type.googleapis.com/google.protobuf.Duration</g:type>
<g:Duration>1.500s</g:Duration></any><string>_x0001_</string>"""


def answers_are_valid():
    """Of every kind, by lxml and by xmllint; so are faults by the schema of their details."""
    schemas = {name: f"{url}?xsd={name}" for name, url in [("echo.v1.Echo", ECHO), ("echo.v1.Streams", STREAMS)]}
    served = {name: httpx.get(url) for name, url in schemas.items()}
    for name, answer in served.items():
        check(answer.status_code, 200, name)
    client, _ = zeep_client(ECHO, "Soap11")
    echo = etree.tostring(client.create_message(client.service, "Echo", **EVERYTHING))
    everything = etree.tostring(etree.fromstring(echo)[0][0]).decode()
    empty = "<x:Echo xmlns:x='urn:echo.v1.Echo'/>"
    values = f"<Echo xmlns='urn:echo.v1.Echo'>{VALUES}</Echo>"
    numbers = "<Echo xmlns='urn:echo.v1.Echo'><double>NaN</double><float>-INF</float><double_>0</double_></Echo>"
    watch = "<Watch xmlns='urn:echo.v1.Streams'><id>valid</id><count>2</count></Watch>"
    fail = """<Fail xmlns='urn:echo.v1.Echo'><status xmlns:r='urn:google.rpc'><r:code>3</r:code><r:details
        xmlns:g='urn:google.protobuf'><g:type>type.googleapis.com/google.rpc.RetryInfo</g:type><r:RetryInfo>
        <r:retryDelay>1s</r:retryDelay></r:RetryInfo></r:details></status><undeclared>AQI=</undeclared></Fail>"""
    for suffix in SOAP:
        for url, name, inside, is_fault in [
            (ECHO, "echo.v1.Echo", everything, False),
            (ECHO, "echo.v1.Echo", empty, False),
            (ECHO, "echo.v1.Echo", values, False),
            (ECHO, "echo.v1.Echo", numbers.replace("<double_>0</double_>", ""), False),
            (STREAMS, "echo.v1.Streams", watch, False),
            (ECHO, "echo.v1.Echo", fail, True),
            (ECHO, "echo.v1.Echo", numbers, True),
        ]:
            answer = post(url, suffix, inside)
            element = body_of(answer, suffix)
            if is_fault:
                assert answer.status_code in (400, 500), answer
                element = element.find(".//{urn:google.rpc}Status")
                assert element is not None, answer.text
                element = etree.fromstring(etree.tostring(element))
            else:
                check(answer.status_code, 200, answer.text)
            is_valid(element, schemas[name])


def is_valid(element, schema):
    text = etree.tostring(element, xml_declaration=True, encoding="utf-8")
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        file.write(text)
        file.flush()
        command = ["xmllint", "--noout", "--schema", schema, file.name]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, f"{result.stderr}\n{text.decode()}"


class Http(etree.Resolver):
    def resolve(self, url, _, context):
        return self.resolve_string(httpx.get(url).content, context, base_url=url)


def schemas_are_valid():
    """Each by itself with all that it imports, of services and for those who send XML."""
    for url in [
        f"{ECHO}?xsd=echo.v1", f"{ECHO}?XSD=google.protobuf", f"{ECHO}?xsd=google.rpc", f"{STREAMS}?xsd=echo.v1.Streams",
        f"{GATEWAY}/xsd/echo.v1", f"{GATEWAY}/xsd/google.api", f"{GATEWAY}/soap/echo.v1.Files?xsd=echo.v1.Files",
    ]:
        parser = etree.XMLParser()
        parser.resolvers.add(Http())
        etree.XMLSchema(etree.fromstring(httpx.get(url).content, parser, base_url=url))
    # A document of no type at all: that the schema itself is right is said first.
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        file.write(b"<nothing/>")
        file.flush()
        command = ["xmllint", "--noout", "--schema", f"{GATEWAY}/xsd/echo.v1", file.name]
        result = subprocess.run(command, capture_output=True, text=True)
        assert "No matching global declaration" in result.stderr, result.stderr


def main():
    schemas_are_valid()
    for suffix in SOAP:
        zeep_calls_everything(suffix)
        zeep_catches_typed_faults(suffix)
        zeep_reads_streams(suffix)
    suds_calls()
    answers_are_valid()


if __name__ == "__main__":
    main()
