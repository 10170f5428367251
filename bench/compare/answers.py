"""Whether two JSON texts mean the same protobuf message: gateways may differ in how they write it."""

import json
import re

INTEGER = re.compile(r"-?(0|[1-9]\d*)")
# Timestamps and durations may end in zeros: 3, 6 or 9 digits.
FRACTION = re.compile(r"(.*\d\.\d*?)0+(Z|s)")


def same(one, other):
    """Whether two JSON texts mean the same."""
    try:
        return normal(json.loads(one)) == normal(json.loads(other))
    except ValueError:
        return False


def normal(value):
    """64-bit integers may be strings, fields with their default may be missing or `null`, and fractions of seconds may
    end in zeros."""
    if isinstance(value, dict):
        members = {key: normal(member) for key, member in value.items()}
        return {key: member for key, member in members.items() if not default(member)}
    if isinstance(value, list):
        return [normal(element) for element in value]
    if isinstance(value, bool):
        # Python takes true for 1.
        return "bool", value
    if isinstance(value, str):
        if INTEGER.fullmatch(value):
            return int(value)
        if fraction := FRACTION.fullmatch(value):
            return fraction[1].rstrip(".") + fraction[2]
    return value


def default(value):
    return value in (None, 0, "", [], ("bool", False))
