"""An issuer whose tokens PyJWT and joserfc sign, and an API that grantwell protects: the example `resource_server`, the
path of whose program is the argument. Good tokens open it, bad ones do not; keys may rotate, their endpoint may fail.
"""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import jwt
import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt as joserfc_jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

PROGRAM = sys.argv[1]
ISSUER, RESOURCE = "https://as.example", "https://api.example/v1"
METADATA = "/.well-known/oauth-protected-resource/v1"
GENERATE = {
    "RS256": lambda: RSAKey.generate_key(2048),
    "PS256": lambda: RSAKey.generate_key(2048),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "ES384": lambda: ECKey.generate_key("P-384"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
}
UNKNOWN_KIDS = 20
TIMEOUT = 10

# RFC 9864 would rather have EdDSA called Ed25519.
warnings.simplefilter("ignore", SecurityWarning)


class SigningKey:
    def __init__(self, alg, kid=None):
        self.alg, self.kid, self.key = alg, kid or f"{alg}-1", GENERATE[alg]()

    def public(self):
        return {**self.key.as_dict(private=False), "kid": self.kid, "alg": self.alg, "use": "sig"}

    def header(self):
        return {"alg": self.alg, "kid": self.kid, "typ": "at+jwt"}

    def sign(self, header, claims):
        """Signs whatever it is given: values become JSON, bytes stay as they are."""
        message = f"{encode(header)}.{encode(claims)}"
        signature = jwt.get_algorithm_by_name(self.alg).sign(message.encode(), self.key.private_key)
        return f"{message}.{encode(signature)}"

    def token(self, header=None, **changed):
        return self.sign(without_none({**self.header(), **(header or {})}), claims(**changed))


def encode(part):
    part = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def without_none(members):
    return {name: value for name, value in members.items() if value is not None}


def claims(**changed):
    now = int(time.time())
    dates = {"iat": now, "exp": now + 300}
    who = {"iss": ISSUER, "sub": "ada", "aud": RESOURCE, "client_id": "app", "jti": "1", "scope": "profile"}
    return without_none({**who, **dates, **changed})


class Jwks:
    """A JWK Set on a loopback port. `answer` is what it answers, once `asked` has been counted."""

    def __init__(self, *keys):
        self.asked = 0
        self.publish(*keys)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler):
                self.asked += 1
                status, headers, body = self.answer
                handler.send_response(status)
                for name, value in headers.items():
                    handler.send_header(name, value)
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_port}/jwks"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def publish(self, *keys):
        body = json.dumps({"keys": [key.public() for key in keys]}).encode()
        self.answer = 200, {"Content-Type": "application/json", "Cache-Control": "max-age=300"}, body

    def end(self):
        self.server.shutdown()
        self.server.server_close()


class Api:
    """A resource server of grantwell, as it listens on `url`."""

    def __init__(self, url):
        self.url = url

    def get(self, token=None, path="/me"):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(self.url + path, headers=headers, timeout=TIMEOUT)

    def accepts(self, token):
        return self.get(token).status_code == 200

    def refuses(self, token):
        """As RFC 6750 section 3.1 and RFC 9728 section 5.1 want it."""
        answer = self.get(token)
        challenge = answer.headers.get("WWW-Authenticate", "")
        expected = ['error="invalid_token"', f'resource_metadata="https://api.example{METADATA}"']
        return answer.status_code == 401 and all(part in challenge for part in expected)


@contextmanager
def resource_server(jwks_uri):
    arguments = [PROGRAM, ISSUER, jwks_uri, RESOURCE, "127.0.0.1:0", "--allow-loopback"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Api(process.stdout.readline().split()[-1])
        finally:
            process.terminate()


def wrong_claims():
    """What the issuer signed, but for other purposes, or wrongly."""
    now = int(time.time())
    yield "another issuer", {"iss": "https://evil.example"}
    yield "an issuer with a slash more", {"iss": f"{ISSUER}/"}
    yield "another audience", {"aud": "https://other.example"}
    yield "an audience of others", {"aud": ["https://other.example", f"{RESOURCE}/"]}
    yield "an expired token", {"iat": now - 600, "exp": now - 1}
    yield "a token of tomorrow", {"nbf": now + 86400}
    yield "a token issued tomorrow", {"iat": now + 86400, "exp": now + 90000}
    yield "an expiry that is text", {"exp": str(now + 300)}
    yield "a subject that is a number", {"sub": 1}
    yield "a token bound to a key", {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}
    for name in "iss", "sub", "aud", "client_id", "iat", "exp", "jti":
        yield f"no {name}", {name: None}


def wrong_headers(key, jwks):
    yield "typ JWT", {"typ": "JWT"}
    yield "no typ", {"typ": None}
    yield "an unknown kid", {"kid": "unknown"}
    yield "an unknown crit", {"crit": ["b64"], "b64": True}
    yield "a crit of nothing", {"crit": []}
    yield "a jku", {"jku": jwks.uri}
    yield "an x5u", {"x5u": jwks.uri}
    yield "the right key inside", {"jwk": key.public()}


def forgeries(key, other, attacker):
    """What the issuer did not sign like that."""
    good = key.token()
    header, payload, signature = good.split(".")
    message = f"{header}.{payload}"
    raw = base64.urlsafe_b64decode(signature + "==")
    yield "another payload", f"{header}.{encode(claims(scope='profile admin'))}.{signature}"
    yield "another signature", f"{message}.{encode(bytes([raw[0] ^ 1]) + raw[1:])}"
    yield "half a signature", f"{message}.{encode(raw[: len(raw) // 2])}"
    yield "no signature", f"{message}."
    for none in "none", "None", "":
        yield f"alg {none!r}", f"{encode({**key.header(), 'alg': none})}.{payload}."
    yield "another key of the same kid", attacker.token({"kid": key.kid})
    yield "another key, without kid", attacker.token({"kid": None})
    yield "another key inside", attacker.token({"kid": None, "jwk": attacker.public()})
    yield "another key's kid", key.token({"kid": other.kid})
    yield "another algorithm's name", key.token({"alg": other.alg})
    pem = key.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, secret in ("the public key", pem), ("nothing", b""), ("the JWK", json.dumps(key.public()).encode()):
        message = f"{encode({**key.header(), 'alg': 'HS256'})}.{payload}"
        yield f"{name} as a shared secret", f"{message}.{encode(hmac.digest(secret, message.encode(), hashlib.sha256))}"


def malformed(key):
    """Signed, but nothing that two readers need to read alike."""
    header, body = json.dumps(key.header()), json.dumps(claims())
    good = key.token()
    yield "a claim twice", key.sign(key.header(), f'{body[:-1]}, "sub": "eve"}}'.encode())
    yield "a header twice", key.sign(f'{header[:-1]}, "kid": "{key.kid}"}}'.encode(), claims())
    yield "claims in a list", key.sign(key.header(), [claims()])
    yield "a payload that is no JSON", key.sign(key.header(), b"{")
    yield "padded base64", f"{good}=="
    yield "four parts", f"{good}."
    yield "five parts", f"{good}.."
    yield "two parts", good.rpartition(".")[0]
    yield "an opaque token", "SlAV32hkKG"


def accepted(api, keys):
    for key in keys.values():
        token = jwt.encode(claims(), key.key.private_key, key.alg, key.header())
        assert api.accepts(token), f"PyJWT's {key.alg}"
        token = joserfc_jwt.encode(key.header(), claims(), key.key, algorithms=[key.alg])
        assert api.accepts(token), f"joserfc's {key.alg}"
        yield f"{key.alg} by PyJWT and joserfc is accepted"
    key = keys["RS256"]
    for name, token in {
        "an array of audiences": key.token(aud=["https://other.example", RESOURCE]),
        "the long form of typ": key.token({"typ": "application/AT+JWT"}),
        "a token without kid": key.token({"kid": None}),
        "a fraction of a second": key.token(exp=time.time() + 300.5),
        "claims that nobody knows": key.token(amr=["pwd"], deep={"a": [1, {"b": None}]}),
    }.items():
        assert api.accepts(token), name
        yield f"{name}: accepted"
    assert api.get(key.token()).json() == {"client_id": "app", "user_id": "ada", "scope": "profile"}
    yield "the API sees who asks"


def bad_tokens(keys, jwks):
    key = keys["RS256"]
    for name, changed in wrong_claims():
        yield name, key.token(**changed)
    for name, header in wrong_headers(key, jwks):
        yield name, key.token(header)
    for alg, other in ("RS256", "PS256"), ("ES256", "ES384"):
        for name, token in forgeries(keys[alg], keys[other], SigningKey(alg, "attacker")):
            yield f"{alg}, {name}", token
    yield from malformed(key)


def refused(api, keys, jwks):
    key = keys["RS256"]
    for name, token in bad_tokens(keys, jwks):
        assert api.refuses(token), f"{name}: {api.get(token).status_code}"
        yield f"{name}: refused"
    assert jwks.asked == 2, jwks.asked
    yield "one of them, with an unknown kid, had the keys fetched again"
    assert api.get(key.token(padding="x" * 8192)).status_code == 400
    yield "a token of more than 8 KiB is no token"
    narrow = api.get(key.token(scope="email"))
    assert narrow.status_code == 403 and 'error="insufficient_scope"' in narrow.headers["WWW-Authenticate"]
    yield "too narrow a scope is told from a bad token"
    nothing = api.get()
    assert nothing.status_code == 401 and "error" not in nothing.headers["WWW-Authenticate"]
    metadata = api.get(path=METADATA).json()
    assert (metadata["resource"], metadata["authorization_servers"]) == (RESOURCE, [ISSUER]), metadata
    yield "who has no token is led to the metadata"
    assert api.accepts(key.token())
    yield "after all that a good token is still accepted"


def rotation(jwks, old, new):
    jwks.publish(old)
    with resource_server(jwks.uri) as api:
        assert api.accepts(old.token())
        before = jwks.asked
        jwks.publish(old, new)
        assert api.accepts(new.token()) and api.accepts(old.token())
        assert jwks.asked == before + 1
        yield "a new kid is found by one request"
        for number in range(UNKNOWN_KIDS):
            assert api.refuses(new.token({"kid": f"unknown-{number}"}))
        assert jwks.asked == before + 1
        yield "kids that nobody knows cost no requests"


def trouble(jwks, key):
    elsewhere = Jwks(key)
    jwks.publish(key)
    _, _, right = jwks.answer
    private = json.dumps({"keys": [key.public(), key.key.as_dict(private=True)]}).encode()
    for name, answer in {
        "a status of 500": (500, {}, right),
        "a redirect": (302, {"Location": elsewhere.uri}, b""),
        "a page": (200, {"Content-Type": "text/html"}, b"<!doctype html>"),
        "a private key": (200, {}, private),
        "a megabyte": (200, {}, right + b" " * 2**20),
    }.items():
        jwks.answer = answer
        with resource_server(jwks.uri) as api:
            assert api.get(key.token()).status_code == 503, name
        yield f"{name} in place of the keys is no fault of the token"
    assert elsewhere.asked == 0

    jwks.publish(key)
    with resource_server(jwks.uri) as api:
        assert api.accepts(key.token())
        jwks.end()
        assert api.refuses(key.token({"kid": "unknown"}))
        assert api.accepts(key.token())
        yield "when the endpoint goes down the keys are kept"
    with resource_server(jwks.uri) as api:
        assert api.get(key.token()).status_code == 503
        yield "an endpoint that was never up is no fault of the token"
        assert api.refuses(key.token(iss="https://evil.example"))
        yield "what is not the issuer's is refused without keys"


def walk():
    """Yields each step's name once it is done."""
    keys = {alg: SigningKey(alg) for alg in GENERATE}
    jwks = Jwks(*keys.values())
    with resource_server(jwks.uri) as api:
        yield from accepted(api, keys)
        yield from refused(api, keys, jwks)
    yield from rotation(jwks, SigningKey("ES256", "old"), SigningKey("ES256", "new"))
    yield from trouble(jwks, keys["ES256"])


def main():
    passed = 0
    try:
        for step in walk():
            passed += 1
            print(f"ok {passed} - foreign issuer: {step}", flush=True)
    except BaseException:
        print(f"{passed} passed, 1 failed", flush=True)
        raise
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
