"""Asks for the dashboard of `transom demo` at the given address by SOAP, as its WSDL says, and on a WebSocket. With a second
argument the offers are stopped."""

import json
import sys

import zeep
from websockets.sync.client import connect

ADDRESS = sys.argv[1]
IS_STOPPED = len(sys.argv) > 2
SERVICE = "dashboard.v1.Dashboards"
AWAY = "No backend of this service can be reached at the moment; try again shortly."


def check(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def by_soap():
    client = zeep.Client(f"http://{ADDRESS}/soap/{SERVICE}?wsdl")
    answer = client.service.GetDashboard(userId="ada")
    check((answer.user.displayName, answer.user.segment), ("Ada Lovelace", "gold"))
    check([(order.id, order.totalCents) for order in answer.details], [("1007", 1820), ("1003", 1900), ("1001", 800)])
    if IS_STOPPED:
        check(answer.offers, None)
        check([(error.part, error.code, error.message) for error in answer.errors], [("offers", 14, AWAY)])
    else:
        check([offer.id for offer in answer.offers.offers], ["atlas", "lamp", "seat"])
    answer = client.service.GetDashboard(userId="bob")
    check((answer.offers, answer.errors), (None, []))
    try:
        client.service.GetDashboard(userId="nobody")
        raise AssertionError("a required part may fail")
    except zeep.exceptions.Fault as fault:
        check(fault.message, "There is no User nobody.")


def by_websocket():
    def messages(path):
        with connect(f"ws://{ADDRESS}{path}", subprotocols=["transom.json"], compression=None, legacy=True) as socket:
            return [json.loads(message) for message in socket]

    [answer] = messages("/v1/dashboard/ada")
    check(answer["user"]["displayName"], "Ada Lovelace")
    check([error["part"] for error in answer.get("errors", [])], ["offers"] if IS_STOPPED else [])
    # Part by part, prices as they change among them.
    parts = messages(f"/ws/{SERVICE}/GetDashboardParts?userId=ada&live=true&changes=2")
    names = [name for part in parts for name in part]
    if IS_STOPPED:
        check(sorted(names), ["details", "errors", "errors", "orders", "user"])
    else:
        check(sorted(names), ["details", "offers", "orders", "prices", "prices", "user"])
        assert names.index("user") < names.index("offers") < names.index("prices"), names


by_soap()
by_websocket()
