"""Checks YAML files against a JSON Schema (draft 2020-12): python schema.py SCHEMA FILE...

Prints each file that does not fit with what is wrong, and fails then.
"""

import json
import re
import sys

import yaml
from jsonschema import Draft202012Validator


class Loader(yaml.SafeLoader):
    """Reads scalars as YAML 1.2 does: `on` is a text, and the key of a setting, and so is a date."""


BOOL, DATE = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"
resolvers = yaml.SafeLoader.yaml_implicit_resolvers.items()
Loader.yaml_implicit_resolvers = {first: [one for one in those if one[0] not in (BOOL, DATE)] for first, those in resolvers}
Loader.add_implicit_resolver(BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    failed = False
    for name in sys.argv[2:]:
        with open(name, encoding="utf-8") as file:
            document = yaml.load(file, Loader)
        for error in validator.iter_errors(document):
            print(f"{name}: {error.json_path}: {error.message}")
            failed = True
    sys.exit(failed)


main()
