"""Walks through the bundled server with Authlib as the client and requests as the browser.

The server must be running; ISSUER says where. No client needs to run: the walk stops at the redirect to it.
"""

import os
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

ISSUER = os.environ.get("ISSUER", "http://localhost:9000")
REDIRECT_URI = "http://localhost:8000/callback"
CLIENT_ID, CLIENT_SECRET = "client_1", "client_secret_1"
USER_ID, PASSWORD = "id001", "mypassword"
STATE = "xyz"
TOKEN_KEYS = {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
TIMEOUT = 10


class Form(HTMLParser):
    """The form of a page, with the fields a browser would send if nobody touched it."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields, self.buttons = None, [], []
        self.feed(page.text)
        assert self.action is not None, f"no form in the page at {page.url}:\n{page.text}"
        self.action = urljoin(page.url, self.action)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        pair = attrs.get("name"), attrs.get("value", "")
        if tag == "form":
            assert self.action is None, "one form a page"
            assert attrs["method"].lower() == "post", attrs
            self.action = attrs.get("action", "")
        elif tag == "button":
            self.buttons.append(pair)
        elif tag == "input" and (attrs.get("type") != "checkbox" or "checked" in attrs):
            self.fields.append(pair)

    def has(self, name):
        return any(name == field for field, _ in self.fields)

    def fill(self, name, value):
        assert self.has(name), f"no field {name} among {self.fields}"
        self.fields = [(field, value if field == name else old) for field, old in self.fields]

    def click(self, name, value):
        assert (name, value) in self.buttons, f"no button {name}={value} among {self.buttons}"
        self.fields.append((name, value))


def approve(url):
    """Logs in and allows, in a browser of its own; returns the address on which the client gets its answer."""
    browser = requests.Session()
    page = browser.get(url, allow_redirects=False, timeout=TIMEOUT)
    for _ in range(10):
        if page.is_redirect:
            assert page.status_code in (302, 303), f"a {page.status_code} would pass the form on"
            target = urljoin(page.url, page.headers["Location"])
            if target.startswith(f"{REDIRECT_URI}?"):
                return target
            page = browser.get(target, allow_redirects=False, timeout=TIMEOUT)
            continue
        assert page.status_code == 200, f"{page.status_code} at {page.url}:\n{page.text}"
        form = Form(page)
        if form.has("password"):
            form.fill("user_id", USER_ID)
            form.fill("password", PASSWORD)
        else:
            form.click("confirm", "yes")
        page = browser.post(form.action, data=form.fields, allow_redirects=False, timeout=TIMEOUT)
    raise AssertionError(f"still no answer for the client, but {page.url}")


def check_token(response):
    """Authlib adds keys of its own to a token, so the server's are checked before it reads them."""
    if response.ok:
        assert response.json().keys() == TOKEN_KEYS, response.text
    return response


def new_session(secret=CLIENT_SECRET, **options):
    session = OAuth2Session(
        CLIENT_ID,
        secret,
        token_endpoint_auth_method="client_secret_basic",
        scope="profile",
        redirect_uri=REDIRECT_URI,
        default_timeout=TIMEOUT,
        **options,
    )
    session.register_compliance_hook("access_token_response", check_token)
    session.register_compliance_hook("refresh_token_response", check_token)
    return session


def refusal(action, *args, **kwargs):
    """The error code with which the server refuses."""
    try:
        answer = action(*args, **kwargs)
    except OAuthError as error:
        return error.error
    raise AssertionError(f"not refused, but answered with {answer.keys()}")


def walk(**pkce):
    """Yields each step's name once it is done. `pkce` is empty, or has the `code_verifier`."""
    token_endpoint = f"{ISSUER}/token"
    session = new_session(code_challenge_method="S256" if pkce else None)

    url, state = session.create_authorization_url(f"{ISSUER}/authorize", state=STATE, **pkce)
    callback = approve(url)
    answer = parse_qs(urlsplit(callback).query, strict_parsing=True)
    assert answer.keys() == {"code", "state", "iss"}, callback
    assert (answer["state"], answer["iss"]) == ([state], [ISSUER]), callback
    yield "the client gets a code, its state and the issuer"

    redemption = {"url": token_endpoint, "authorization_response": callback, "state": state, **pkce}
    assert refusal(new_session("wrong").fetch_token, **redemption) == "invalid_client"
    yield "a wrong client secret is invalid_client"

    session.fetch_token(**redemption)
    assert session.token["token_type"] == "Bearer"
    assert session.token["scope"] == "profile"
    yield "the code buys a token"

    me = session.get(f"{ISSUER}/api/me")
    assert me.status_code == 200, me.text
    assert me.json() == {"client_id": CLIENT_ID, "user_id": USER_ID, "scope": "profile"}
    yield "the token opens /api/me"

    first = session.token["access_token"]
    session.refresh_token(token_endpoint, refresh_token=session.token["refresh_token"])
    assert session.token["access_token"] != first
    assert session.get(f"{ISSUER}/api/me").status_code == 200
    yield "a refresh brings a new token"

    token = session.token["access_token"]
    facts = session.introspect_token(f"{ISSUER}/introspect", token=token).json()
    assert facts["active"] is True, facts
    assert (facts["client_id"], facts["scope"]) == (CLIENT_ID, "profile"), facts
    yield "introspection finds it active"

    assert session.revoke_token(f"{ISSUER}/revoke", token=token).status_code == 200
    facts = session.introspect_token(f"{ISSUER}/introspect", token=token).json()
    assert facts == {"active": False}, facts
    assert session.get(f"{ISSUER}/api/me").status_code == 401
    yield "once revoked it is inactive and opens nothing"

    assert refusal(new_session().fetch_token, **redemption) == "invalid_grant"
    yield "the code buys nothing twice"


def main():
    passed = 0
    try:
        for name, pkce in {"plain": {}, "PKCE": {"code_verifier": generate_token(48)}}.items():
            for step in walk(**pkce):
                passed += 1
                print(f"ok {passed} - {name}: {step}", flush=True)
    except BaseException:
        print(f"{passed} passed, 1 failed", flush=True)
        raise
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
