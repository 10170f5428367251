"""Checks Kubernetes manifests against the API's own schemas, strictly: python kubernetes.py FILE.

Prints the resources as one JSON list. The schemas come with the package; nothing is fetched.
"""

import json
import sys

import kubernetes_validate
import yaml

# The oldest version that has all that is used, and the newest one that the package knows.
VERSIONS = ("1.30", kubernetes_validate.latest_version())


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        resources = list(yaml.safe_load_all(file))
    for resource in resources:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(resource, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                sys.exit(f"{resource['kind']} is not valid in {version}: {error.message}")
    print(json.dumps(resources))


main()
