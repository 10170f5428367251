"""Calls split.v1.Shop/Get of the gateway at the given address, and holds which backend answers against what the configuration
of the test says: `conditions ADDRESS BETA OTHER` in several dialects, with keys of a caller who has the role beta and of one who
has not, or `keeping ADDRESS` as clients that keep cookies."""

import http.client
import http.cookiejar
import json
import os
import sys
import urllib.parse
import urllib.request

import grpc
from websockets.sync.client import connect

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("split.proto")

WHAT, ADDRESS, *KEYS = sys.argv[1:]
COOKIE = "transom-canary"


class Asking:
    """What is said beside the message."""

    def __init__(self, headers=(), host=None, query=None):
        self.headers, self.host, self.query = dict(headers), host, dict(query or {})

    def target(self, path):
        return path + ("?" + urllib.parse.urlencode(self.query) if self.query else "")

    def all_headers(self):
        return {**self.headers, **({"host": self.host} if self.host else {})}


def http_call(verb, target, headers, body=None):
    connection = http.client.HTTPConnection(ADDRESS)
    connection.request(verb, target, body=body, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def rest(asking):
    answer, text = http_call("GET", asking.target("/v1/items/a"), asking.all_headers())
    assert answer.status == 200, (answer.status, text)
    return json.loads(text)["server"]


def connect_protocol(asking):
    headers = {"content-type": "application/json", "connect-protocol-version": "1", **asking.all_headers()}
    answer, text = http_call("POST", asking.target("/split.v1.Shop/Get"), headers, '{"id": "a"}')
    assert answer.status == 200, (answer.status, text)
    return json.loads(text)["server"]


def soap(asking):
    envelope = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        '<Get xmlns="urn:split.v1.Shop"/></e:Body></e:Envelope>'
    )
    headers = {"content-type": "text/xml", **asking.all_headers()}
    answer, text = http_call("POST", asking.target("/soap/split.v1.Shop"), headers, envelope)
    assert answer.status == 200, (answer.status, text)
    return text.split("server>")[1].split("<")[0]


def by_grpc(asking):
    if asking.query:
        return None
    options = [("grpc.default_authority", asking.host)] if asking.host else []
    with grpc.insecure_channel(ADDRESS, options=options) as channel:
        metadata = [(name.lower(), value) for name, value in asking.headers.items()]
        answer, call = services.ShopStub(channel).Get.with_call(pb.Request(id="a"), metadata=metadata, timeout=60)
        # What browsers keep is nothing for these.
        assert "set-cookie" not in dict(call.initial_metadata())
        return answer.server


def websocket(asking):
    host = asking.host or ADDRESS
    with connect(
        f"ws://{host}{asking.target('/v1/items/a')}",
        sock=__import__("socket").create_connection(ADDRESS.split(":")),
        subprotocols=["transom.json"],
        additional_headers=asking.headers,
        compression=None,
        proxy=None,
    ) as socket:
        return json.loads(socket.recv(timeout=60))["server"]


DIALECTS = [rest, connect_protocol, soap, by_grpc, websocket]


def conditions(beta, other):
    for expected, asking in [
        ("stable", Asking({"x-api-key": other})),
        ("beta", Asking({"x-api-key": beta})),
        ("beta", Asking({"x-api-key": other, "x-beta": "1"})),
        ("stable", Asking({"x-api-key": other, "x-beta": "0"})),
        ("beta", Asking({"x-api-key": other, "cookie": "a=b; beta=1"})),
        ("stable", Asking({"x-api-key": other, "cookie": "a=b; beta=2; xbeta=1"})),
        ("beta", Asking({"x-api-key": other}, host="beta.example")),
        ("stable", Asking({"x-api-key": other}, host="other.example")),
        ("beta", Asking({"x-api-key": other}, query={"preview": "yes"})),
        ("stable", Asking({"x-api-key": other}, query={"preview": "no"})),
    ]:
        for dialect in DIALECTS:
            found = dialect(asking)
            said = (dialect.__name__, asking.headers, asking.host, asking.query)
            assert found in (expected, None), (expected, found, said)


def keeping():
    """A client that keeps cookies stays where it was first, for as long as it keeps them."""
    found = {}
    for _ in range(40):
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

        def ask():
            with opener.open(f"http://{ADDRESS}/v1/items/a") as answer:
                return json.load(answer)["server"], answer.headers.get_all("set-cookie") or []

        first, set_by = ask()
        assert len(set_by) == 1, set_by
        (cookie,) = jar
        attributes = set_by[0].split("; ")[1:]
        assert (cookie.name, len(cookie.value)) == (COOKIE, 16), cookie
        assert attributes == ["Path=/", "Max-Age=3600", "HttpOnly", "SameSite=Lax"], attributes
        for _ in range(5):
            again, set_again = ask()
            assert (again, set_again) == (first, []), (again, first, set_again)
        found.setdefault(first, cookie.value)
    assert set(found) == {"stable", "next"}, found

    def ask_with(value):
        answer, text = http_call("GET", "/v1/items/a", {"cookie": f"{COOKIE}={value}"})
        assert answer.status == 200, (answer.status, text)
        return json.loads(text)["server"], answer.getheader("set-cookie")

    # The same cookie means the same in whichever dialect; what was not set here is no cookie at all.
    for server, value in found.items():
        assert ask_with(value) == (server, None), server
    for value in ("next", "", "zzzzzzzzzzzzzzzz", found["next"].upper() + "0", found["next"] + ";", "%00", "a" * 4000):
        answer = ask_with(value)
        is_valid = value.rstrip(";") == found["next"]
        assert (answer[1] is None) == is_valid, (value, answer)


if __name__ == "__main__":
    globals()[WHAT](*KEYS)
