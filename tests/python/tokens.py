"""Makes keys and tokens with PyJWT, and tokens by hand that no issuer would make.

Writes `jwks.json` into a folder and prints a JSON object with `tokens`: each with a name, the text, and the HTTP status
that a call with it should get.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NOW = int(time.time())
CLAIMS = {"iss": "https://id.example", "aud": "shop", "sub": "user-1", "exp": NOW + 600, "roles": ["buyer"]}

KEYS = {
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "small": rsa.generate_private_key(public_exponent=65537, key_size=1024),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "ed": ed25519.Ed25519PrivateKey.generate(),
    "enc": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = b"a secret that stands in a set of keys and so is none"


def jwk(name, key, **more):
    kind = {"rsa": RSAAlgorithm, "small": RSAAlgorithm, "enc": RSAAlgorithm, "ed": OKPAlgorithm}.get(name, ECAlgorithm)
    return json.loads(kind.to_jwk(key.public_key())) | {"kid": name} | more


def encoded(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mac(header, claims, secret):
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{encoded(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def der(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def token(kid="rsa", algorithm="RS256", key=None, headers=None, **claims):
    claims = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(claims, key or KEYS[kid], algorithm, headers={"kid": kid} | (headers or {}))


def signed_by_hand(header, payload, key=KEYS["rsa"]):
    """Signed with a key of RSA, whatever header and payload say."""
    text = f"{encoded(header)}.{encoded(payload)}"
    algorithm = jwt.get_algorithm_by_name("RS256")
    return f"{text}.{encoded(algorithm.sign(text.encode(), key))}"


def good():
    yield "RS256", token()
    yield "PS384", token(algorithm="PS384")
    yield "ES256", token("p256", "ES256")
    yield "ES384", token("p384", "ES384")
    yield "EdDSA", token("ed", "EdDSA")
    yield "at+jwt", token(headers={"typ": "at+jwt"})
    yield "several audiences", token(aud=["other", "shop"])
    yield "expired within the leeway", token(exp=NOW - 5)
    yield "places of keys in the header", token(
        headers={"jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/", "jwk": jwk("rsa", STRANGER)}
    )


def bad():
    header, claims, signature = token().split(".")
    rs256 = {"alg": "RS256", "kid": "rsa", "typ": "JWT"}
    for name in ["none", "None", "NONE", "nOnE", ""]:
        yield f"alg {name!r}", f"{encoded(rs256 | {'alg': name})}.{claims}."
        yield f"alg {name!r} with a signature", f"{encoded(rs256 | {'alg': name})}.{claims}.{signature}"
    for name, secret in [
        ("PEM", pem(KEYS["rsa"])),
        ("PEM without line break", pem(KEYS["rsa"]).strip()),
        ("DER", der(KEYS["rsa"])),
        ("modulus", base64.urlsafe_b64decode(jwk("rsa", KEYS["rsa"])["n"] + "==")),
        ("nothing", b""),
    ]:
        yield f"HS256 with the public key as {name}", mac(rs256 | {"alg": "HS256"}, CLAIMS, secret)
    yield "HS256 with a secret of the set", mac(rs256 | {"alg": "HS256", "kid": "oct"}, CLAIMS, SECRET)
    yield "RS256 that is HS256", mac(rs256, CLAIMS, pem(KEYS["rsa"]))
    yield "a stranger's key", token(key=STRANGER)
    yield "a stranger's key in the header", token(key=STRANGER, headers={"jwk": jwk("rsa", STRANGER)})
    yield "a stranger's key without kid", signed_by_hand({"alg": "RS256", "typ": "JWT"}, CLAIMS, STRANGER)
    yield "another key of the set", token("p256", "RS256", KEYS["rsa"])
    yield "a key that is too small", signed_by_hand(rs256 | {"kid": "small"}, CLAIMS, KEYS["small"])
    yield "a key for encryption", token("enc")
    yield "an algorithm that is not accepted", token(algorithm="RS512")
    yield "an algorithm that is not known", token("p521", "ES512")
    for kid in ["../../../../dev/null", "/dev/null", "x' UNION SELECT 'AAAA", "rsa\u0000", "http://127.0.0.1:1/", "*", ""]:
        yield f"kid {kid!r}", token(headers={"kid": kid})
        yield f"kid {kid!r} with an empty secret", mac({"alg": "HS256", "kid": kid}, CLAIMS, b"")
    yield "kid of another type", signed_by_hand(rs256 | {"kid": ["rsa"]}, CLAIMS)
    for typ in ["logout+jwt", "dpop+jwt", "JWE", ""]:
        yield f"typ {typ!r}", token(headers={"typ": typ})
    yield "without typ", signed_by_hand({"alg": "RS256", "kid": "rsa"}, CLAIMS)
    yield "crit", signed_by_hand(rs256 | {"crit": ["exp"], "exp": NOW}, CLAIMS)
    yield "crit b64", signed_by_hand(rs256 | {"crit": ["b64"], "b64": False}, CLAIMS)
    yield "crit of nothing", signed_by_hand(rs256 | {"crit": []}, CLAIMS)
    yield "expired", token(exp=NOW - 60)
    yield "expired long ago", token(exp=0)
    yield "without end", token(exp=None)
    yield "an end that is a text", signed_by_hand(rs256, CLAIMS | {"exp": "9999999999"})
    yield "an end that is infinite", signed_by_hand(rs256, b'{"iss":"https://id.example","aud":"shop","sub":"a","exp":Infinity}')
    yield "not valid yet", token(nbf=NOW + 120)
    yield "from the future", token(iat=NOW + 3600)
    yield "wrong audience", token(aud="other")
    yield "wrong audiences", token(aud=["other", "shop2"])
    yield "without audience", token(aud=None)
    yield "wrong issuer", token(iss="https://id.example/")
    yield "without issuer", token(iss=None)
    yield "without subject", token(sub=None)
    yield "claims that are no object", signed_by_hand(rs256, b'["https://id.example"]')
    yield "claims that are no JSON", signed_by_hand(rs256, b"{")
    yield "a claim twice", signed_by_hand(rs256, json.dumps(CLAIMS)[:-1].encode() + b',"sub":"admin"}')
    yield "a deep claim", signed_by_hand(rs256, json.dumps(CLAIMS)[:-1].encode() + b',"x":' + b"[" * 500 + b"]" * 500 + b"}")
    yield "not UTF-8", signed_by_hand(rs256, json.dumps(CLAIMS)[:-1].encode() + b',"x":"\xff"}')
    yield "nested", signed_by_hand(rs256 | {"cty": "JWT"}, token().encode())
    yield "a changed claim", f"{header}.{encoded(CLAIMS | {'sub': 'admin'})}.{signature}"
    yield "a changed header", f"{encoded(rs256 | {'x': 1})}.{claims}.{signature}"
    yield "padding", f"{header}.{claims}.{signature}=="
    yield "without signature", f"{header}.{claims}."
    yield "two parts", f"{header}.{claims}"
    yield "four parts", f"{token()}.{signature}"
    yield "five parts", f"{header}.{signature}.{signature}.{claims}.{signature}"
    yield "dots", "..."
    yield "a long signature", f"{header}.{claims}.{'A' * 7000}"
    yield "more than 8 KiB", token(x="x" * 7000)
    yield "50 KB", token(x="x" * 37000)
    yield "1 MB", token(x="x" * 750_000)
    yield "signature of zeros", f"{encoded({'alg': 'ES256', 'kid': 'p256', 'typ': 'JWT'})}.{claims}.{encoded(bytes(64))}"


def main():
    keys = [jwk(name, key, use="enc" if name == "enc" else "sig") for name, key in KEYS.items()]
    keys.append({"kty": "oct", "kid": "oct", "alg": "HS256", "k": encoded(SECRET)})
    pathlib.Path(sys.argv[1], "jwks.json").write_text(json.dumps({"keys": keys}))
    tokens = [{"name": name, "token": text, "status": 200} for name, text in good()]
    tokens += [{"name": name, "token": text, "status": 401} for name, text in bad()]
    print(json.dumps({"tokens": tokens}))


main()
