"""Orders as XML and as SOAP, from their JSON."""

import json
import xml.etree.ElementTree as tree
from xml.sax.saxutils import escape

# Fields that JSON shows as objects and that are maps.
MAPS = ("labels", "counters")
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


def order(text):
    """An order as an element of its own."""
    return f'<Order xmlns="urn:bench">{members(json.loads(text))}</Order>'.encode()


def envelope(text, method):
    """An order as the request of a method, as clients write it that know the WSDL."""
    inside = members(json.loads(text), nested="p:")
    call = f'<{method} xmlns="urn:bench.Orders" xmlns:p="urn:bench">{inside}</{method}>'
    return f'<s:Envelope xmlns:s="{ENVELOPE}"><s:Body>{call}</s:Body></s:Envelope>'.encode()


def members(message, prefix="", nested=""):
    """The elements of a message's fields; those of messages in it have the prefix `nested`."""
    return "".join(field(prefix, nested, name, value) for name, value in message.items())


def field(prefix, nested, name, value):
    if isinstance(value, list):
        return "".join(field(prefix, nested, name, each) for each in value)
    if isinstance(value, dict) and name in MAPS:
        pairs = ({"key": key, "value": each} for key, each in value.items())
        inside = "".join(f"<{prefix}entry>{members(pair, prefix)}</{prefix}entry>" for pair in pairs)
    elif isinstance(value, dict):
        inside = members(value, nested or prefix, nested)
    else:
        inside = escape(value if isinstance(value, str) else json.dumps(value))
    return f"<{prefix}{name}>{inside}</{prefix}{name}>"


def same(answer, expected):
    """Whether an answer has the order that stands in the JSON."""
    try:
        root = tree.fromstring(answer)
    except tree.ParseError:
        return False
    body = root.find(f"{{{ENVELOPE}}}Body")
    found = root if body is None else body[0]
    return content(found) == content(tree.fromstring(order(expected)))


def content(element):
    """What an element holds: text, a number, or other elements by their names."""
    children = [(child.tag.rsplit("}", 1)[-1], content(child)) for child in element]
    if children:
        # Gateways may write the fields in another order.
        return sorted(children, key=lambda child: child[0])
    try:
        return float(element.text or "")
    except ValueError:
        return element.text or ""
