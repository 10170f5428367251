"""The package `oidc-provider-mock` as a provider of OpenID Connect: prints where it listens."""

import argparse
import json

import oidc_provider_mock
from werkzeug.serving import make_server


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user", action="append", default=[], type=json.loads, help="claims with `sub`")
    arguments = parser.parse_args()
    users = [
        oidc_provider_mock.User(sub=user["sub"], claims={name: user[name] for name in user if name != "sub"})
        for user in arguments.user
    ]
    server = make_server("127.0.0.1", arguments.port, oidc_provider_mock.app(user_claims=users), threaded=True)
    print(f"listening 127.0.0.1:{server.port}", flush=True)
    server.serve_forever()


main()
