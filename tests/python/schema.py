"""Checks YAML files against a JSON Schema (draft 2020-12): python schema.py SCHEMA FILE...

Prints each file that does not fit with what is wrong, and fails then.
"""

import json
import sys

import yaml
from jsonschema import Draft202012Validator


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    failed = False
    for name in sys.argv[2:]:
        with open(name, encoding="utf-8") as file:
            document = yaml.safe_load(file)
        for error in validator.iter_errors(document):
            print(f"{name}: {error.json_path}: {error.message}")
            failed = True
    sys.exit(failed)


main()
