"""A resource server on Authlib's validator, and PyJWT beside it: with the keys that the metadata leads to they accept
an access token of the bundled server, and refuse what is no such token or meant for somebody else.

The server must be running with full.toml; ISSUER says where, ALG by which algorithm it signs.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
from datetime import datetime, timezone
from unittest import mock
from urllib.parse import urlsplit

import jwt
import requests
from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from joserfc.jwk import KeySet

ISSUER = os.environ.get("ISSUER", "http://localhost:9000")
RESOURCE = f"{ISSUER}/api"
ALG = os.environ.get("ALG", "RS256")
CLIENT_ID, CLIENT_SECRET = "machine", "machine-secret"
ALGORITHMS = ["RS256", "ES256"]
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
CLAIMS = {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"}
TIMEOUT = 10


def well_known(name, url):
    """The name goes before the path (RFC 8414 section 3.1, RFC 9728 section 3.1)."""
    parts = urlsplit(url)
    return parts._replace(path=f"/.well-known/{name}{parts.path.rstrip('/')}").geturl()


def get(url):
    answer = requests.get(url, timeout=TIMEOUT, allow_redirects=False)
    assert answer.status_code == 200, f"{answer.status_code} at {url}: {answer.text}"
    return answer


class Validator(JWTBearerTokenValidator):
    def __init__(self, jwks, issuer, resource):
        super().__init__(issuer, resource)
        self.jwks = jwks

    def get_jwks(self):
        return self.jwks


def authlib_api(jwks, issuer=ISSUER, resource=RESOURCE):
    """Asks a Flask application for a path with a token; answers with the status."""
    app, require_oauth = Flask(__name__), ResourceProtector()
    require_oauth.register_token_validator(Validator(jwks, issuer, resource))

    @app.get("/<_>")
    @require_oauth("profile")
    def profile(_):
        return {"client_id": current_token["client_id"]}

    @app.get("/admin")
    @require_oauth("admin")
    def admin():
        return {}

    def ask(token, path="/profile"):
        return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code

    return ask


def own_api(token):
    return requests.get(f"{RESOURCE}/me", headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT).status_code


def pyjwt_refusal(client, token, issuer=ISSUER, resource=RESOURCE):
    """The exception with which PyJWT refuses the token, or None."""
    try:
        key = client.get_signing_key_from_jwt(token)
        options = {"require": sorted(CLAIMS)}
        jwt.decode(token, key, algorithms=ALGORITHMS, audience=resource, issuer=issuer, options=options)
    except jwt.PyJWTError as error:
        return type(error)
    return None


def encode(part):
    part = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def flip(signature):
    decoded = base64.urlsafe_b64decode(signature + "==")
    return encode(bytes([decoded[0] ^ 1]) + decoded[1:])


def forgeries(token, public_key):
    """Tokens that the server did not sign, each with its name."""
    header, payload, signature = token.split(".")
    members = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    yield "another payload", f"{header}.{encode({**claims, 'scope': 'profile admin'})}.{signature}"
    yield "another signature", f"{header}.{payload}.{flip(signature)}"
    yield "no signature", f"{header}.{payload}."
    yield "alg none", f"{encode({**members, 'alg': 'none'})}.{payload}."
    other = rsa.generate_private_key(65537, 2048) if ALG == "RS256" else ec.generate_private_key(ec.SECP256R1())
    yield "another key of the same kid", jwt.encode(claims, other, ALG, members)
    message = f"{encode({**members, 'alg': 'HS256'})}.{payload}"
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield "the public key as a shared secret", f"{message}.{encode(hmac.digest(pem, message.encode(), hashlib.sha256))}"
    yield "an opaque token", secrets.token_urlsafe(32)


def walk():
    """Yields each step's name once it is done."""
    metadata = get(well_known("oauth-authorization-server", ISSUER)).json()
    assert metadata["issuer"] == ISSUER, metadata
    resource = get(well_known("oauth-protected-resource", RESOURCE)).json()
    assert (resource["resource"], resource["authorization_servers"]) == (RESOURCE, [ISSUER]), resource
    yield "the resource's metadata leads to the server's"

    challenge = requests.get(f"{RESOURCE}/me", timeout=TIMEOUT).headers["WWW-Authenticate"]
    assert f'resource_metadata="{well_known("oauth-protected-resource", RESOURCE)}"' in challenge, challenge
    yield "the API's challenge leads to the resource's metadata"

    answer = get(metadata["jwks_uri"])
    keys = answer.json()["keys"]
    assert "max-age" in answer.headers["Cache-Control"], answer.headers
    assert {key["alg"] for key in keys} == set(ALGORITHMS), keys
    assert all(key["use"] == "sig" and not PRIVATE_MEMBERS & key.keys() for key in keys), keys
    assert len({key["kid"] for key in keys}) == len(keys), keys
    yield "there are keys for RS256 and ES256, all of them public"

    session = OAuth2Session(CLIENT_ID, CLIENT_SECRET, scope="profile", default_timeout=TIMEOUT)
    token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", resource=RESOURCE)
    token = token["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims.keys() >= CLAIMS and claims["aud"] == RESOURCE, claims
    assert (claims["sub"], claims["client_id"]) == (CLIENT_ID, CLIENT_ID), claims
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", ALG), header
    yield f"the token is a JWT for the resource, signed by {ALG}"

    jwks, client = KeySet.import_key_set({"keys": keys}), jwt.PyJWKClient(metadata["jwks_uri"])
    ask = authlib_api(jwks)
    assert ask(token) == 200
    assert pyjwt_refusal(client, token) is None
    assert own_api(token) == 200
    yield "Authlib, PyJWT and the server's own API accept it"

    for name, forgery in forgeries(token, client.get_signing_key_from_jwt(token).key):
        assert ask(forgery) == 401, name
        assert pyjwt_refusal(client, forgery), name
        assert own_api(forgery) == 401, name
        yield f"they refuse {name}"

    elsewhere = f"{ISSUER}/elsewhere"
    assert authlib_api(jwks, resource=elsewhere)(token) == 401
    assert pyjwt_refusal(client, token, resource=elsewhere) is jwt.InvalidAudienceError
    yield "another resource refuses it"
    assert authlib_api(jwks, issuer=elsewhere)(token) == 401
    assert pyjwt_refusal(client, token, issuer=elsewhere) is jwt.InvalidIssuerError
    yield "who trusts another issuer refuses it"
    assert ask(token, "/admin") == 403
    yield "a scope that it does not have is refused"

    end = datetime.fromtimestamp(claims["exp"], timezone.utc)
    with mock.patch("time.time", return_value=claims["exp"]), mock.patch("jwt.api_jwt.datetime") as clock:
        clock.now.return_value = end
        assert ask(token) == 401
        assert pyjwt_refusal(client, token) is jwt.ExpiredSignatureError
    yield "once expired it is refused"
    assert ask(token) == 200
    assert pyjwt_refusal(client, token) is None
    yield "until then it is still accepted"


def main():
    passed = 0
    try:
        for step in walk():
            passed += 1
            print(f"ok {passed} - resource server: {step}", flush=True)
    except BaseException:
        print(f"{passed} passed, 1 failed", flush=True)
        raise
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
