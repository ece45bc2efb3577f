// The walk with openid-client: it finds everything by the metadata (RFC 8414), checks `iss` (RFC 9207) and uses PKCE. The
// browser is fetch with a cookie, which follows redirects and submits the forms as they stand.

import assert from 'node:assert/strict';
import * as openid from 'openid-client';

const ISSUER = new URL(process.env.ISSUER ?? 'http://localhost:9000');
const REDIRECT_URI = 'http://localhost:8000/callback';
const ANSWERS = { user_id: 'id001', password: 'mypassword' };

const cookies = new Map();

async function visit(url, init = {}) {
  const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
  const response = await fetch(url, { ...init, headers: { cookie }, redirect: 'manual' });
  for (const line of response.headers.getSetCookie()) {
    const [name, value] = line.split(';')[0].split('=');
    cookies.set(name, value);
  }
  return response;
}

// Goes where the server leads until it leads back to the client.
async function browse(start) {
  let [url, init] = [start, {}];
  for (let step = 0; step < 10; step += 1) {
    const response = await visit(url, init);
    if (response.status === 303) {
      [url, init] = [new URL(response.headers.get('location'), url), {}];
      if (url.href.startsWith(REDIRECT_URI)) return url;
    } else {
      [url, init] = submit(url, await response.text());
    }
  }
  return assert.fail('the server never leads back');
}

function submit(page, html) {
  const action = html.match(/<form[^>]* action="([^"]*)"/)?.[1];
  assert.ok(action, `no form: ${html}`);
  const body = new URLSearchParams();
  for (const [, tag] of html.matchAll(/<input([^>]*)>/g)) {
    const name = tag.match(/ name="([^"]*)"/)[1];
    body.append(name, ANSWERS[name] ?? unescape(tag.match(/ value="([^"]*)"/)?.[1] ?? ''));
  }
  if (html.includes('name="confirm"')) body.append('confirm', 'yes');
  return [new URL(unescape(action), page), { method: 'POST', body }];
}

function unescape(text) {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(code));
}

let [passed, config, tokens] = [0];

async function step(name, run) {
  await run();
  passed += 1;
  console.log(`ok ${passed} - openid-client: ${name}`);
}

const me = () => openid.fetchProtectedResource(config, tokens.access_token, new URL('/api/me', ISSUER), 'GET');
const refused = (error) => (thrown) => thrown.error === error;

await step('the metadata says where everything is', async () => {
  const options = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] };
  const authentication = openid.ClientSecretBasic('client_secret_1');
  config = await openid.discovery(ISSUER, 'client_1', undefined, authentication, options);
  assert.equal(config.serverMetadata().authorization_response_iss_parameter_supported, true);
});

async function authorize(extra) {
  const [pkceCodeVerifier, expectedState] = [openid.randomPKCECodeVerifier(), openid.randomState()];
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: 'profile',
    state: expectedState,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...extra,
  });
  return [await browse(url), { pkceCodeVerifier, expectedState }];
}

await step('a code with PKCE buys tokens', async () => {
  tokens = await openid.authorizationCodeGrant(config, ...(await authorize({})));
  assert.equal(tokens.scope, 'profile');
});
await step('the access token opens /api/me', async () => {
  const answer = await (await me()).json();
  assert.deepEqual(answer, { client_id: 'client_1', user_id: 'id001', scope: 'profile' });
});
await step('prompt=none is answered without a page', async () => {
  const [callback, checks] = await authorize({ prompt: 'none' });
  await openid.authorizationCodeGrant(config, callback, checks);
});
await step('a refresh brings new tokens and no wider scope', async () => {
  const wider = openid.refreshTokenGrant(config, tokens.refresh_token, { scope: 'profile admin' });
  await assert.rejects(wider, refused('invalid_scope'));
  const before = tokens.refresh_token;
  tokens = await openid.refreshTokenGrant(config, before);
  assert.notEqual(tokens.refresh_token, before);
});
await step('introspection finds it active', async () => {
  assert.equal((await openid.tokenIntrospection(config, tokens.access_token)).active, true);
});
await step('revoking the refresh token ends everything', async () => {
  await openid.tokenRevocation(config, tokens.refresh_token);
  assert.equal((await openid.tokenIntrospection(config, tokens.access_token)).active, false);
  await assert.rejects(openid.refreshTokenGrant(config, tokens.refresh_token), refused('invalid_grant'));
  await assert.rejects(me(), (error) => error.code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE');
});

console.log(`${passed} passed, 0 failed`);
