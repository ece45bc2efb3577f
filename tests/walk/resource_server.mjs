// A resource server on jose: with the keys that the metadata leads to it accepts an access token of the bundled server,
// and refuses what is no such token or meant for somebody else. The server must be running with full.toml; ISSUER says
// where, ALG by which algorithm it signs, ROTATES that its keys are replaced within seconds.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as jose from 'jose';
import * as openid from 'openid-client';

const ISSUER = process.env.ISSUER ?? 'http://localhost:9000';
const RESOURCE = `${ISSUER}/api`;
const ALGORITHMS = ['RS256', 'ES256'];
const { ALG = 'RS256', ROTATES } = process.env;
const CLAIMS = ['iss', 'sub', 'aud', 'client_id', 'iat', 'exp', 'jti'];

let passed = 0;

async function step(name, run) {
  const result = await run();
  passed += 1;
  console.log(`ok ${passed} - resource server with jose: ${name}`);
  return result;
}

// Answers what a request may do, or with which code it is refused.
async function answer(jwks, options, request) {
  const [, token] = request.headers.authorization.split(' ');
  try {
    const { payload } = await jose.jwtVerify(token, jwks, { ...options, requiredClaims: CLAIMS });
    const isEnough = payload.scope.split(' ').includes(request.url.slice(1));
    return isEnough ? [200, payload.client_id] : [403, 'insufficient_scope'];
  } catch (error) {
    return [401, error.code];
  }
}

// Serves until `use` has asked what it wants to know.
async function withApi(jwks, changed, use) {
  const options = { issuer: ISSUER, audience: RESOURCE, typ: 'at+jwt', algorithms: ALGORITHMS, ...changed };
  const server = createServer(async (request, response) => {
    const [status, body] = await answer(jwks, options, request);
    response.writeHead(status).end(body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    return await use(async (token, path = '/profile') => {
      const url = `http://127.0.0.1:${server.address().port}${path}`;
      const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
      return [response.status, await response.text()];
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const config = await step('the metadata leads to token endpoint and keys', async () => {
  const options = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] };
  const authentication = openid.ClientSecretBasic('machine-secret');
  return openid.discovery(new URL(ISSUER), 'machine', undefined, authentication, options);
});
const jwks = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri), { cooldownDuration: 0 });

async function newToken() {
  const { access_token } = await openid.clientCredentialsGrant(config, { scope: 'profile', resource: RESOURCE });
  return [access_token, jose.decodeProtectedHeader(access_token)];
}

const [token, header] = await step(`a token is issued, signed by ${ALG}`, async () => {
  const [token, header] = await newToken();
  assert.equal(header.alg, ALG);
  return [token, header];
});

const [head, payload, signature] = token.split('.');
const claims = jose.decodeJwt(token);
const encode = (members) => jose.base64url.encode(JSON.stringify(members));
const other = await jose.generateKeyPair(header.alg);
const forged = await new jose.SignJWT(claims).setProtectedHeader(header).sign(other.privateKey);
const flipped = jose.base64url.decode(signature);
flipped[0] ^= 1;
const SIGNATURE = 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED';

await withApi(jwks, {}, async (ask) => {
  await step('jose accepts it', async () => assert.deepEqual(await ask(token), [200, 'machine']));
  for (const [name, forgery, code] of [
    ['another payload', `${head}.${encode({ ...claims, scope: 'profile admin' })}.${signature}`, SIGNATURE],
    ['another signature', `${head}.${payload}.${jose.base64url.encode(flipped)}`, SIGNATURE],
    ['another key of the same kid', forged, SIGNATURE],
    ['alg none', `${encode({ ...header, alg: 'none' })}.${payload}.`, 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ['an opaque token', 'SlAV32hkKG', 'ERR_JWS_INVALID'],
  ]) {
    await step(`${name}: refused`, async () => assert.deepEqual(await ask(forgery), [401, code]));
  }
  await step('a scope that it does not have: refused', async () => {
    assert.deepEqual(await ask(token, '/admin'), [403, 'insufficient_scope']);
  });
  if (!ROTATES) return;
  await step('the next key signs: its token is accepted, and so is the old one', async () => {
    let [next, { kid }] = [token, header];
    for (let tries = 0; kid === header.kid; tries += 1) {
      assert.ok(tries < 100, 'the key is never replaced');
      await sleep(100);
      [next, { kid }] = await newToken();
    }
    assert.deepEqual(await ask(next), [200, 'machine']);
    assert.deepEqual(await ask(token), [200, 'machine']);
  });
});

const others = ALGORITHMS.filter((alg) => alg !== ALG);
const CLAIM = 'ERR_JWT_CLAIM_VALIDATION_FAILED';
for (const [name, changed, code] of [
  ['another resource', { audience: `${ISSUER}/elsewhere` }, CLAIM],
  ['who trusts another issuer', { issuer: `${ISSUER}/elsewhere` }, CLAIM],
  ['who wants an ID token', { typ: 'JWT' }, CLAIM],
  ['who looks at it when it has expired', { currentDate: new Date(claims.exp * 1000) }, 'ERR_JWT_EXPIRED'],
  ['who wants the other algorithm', { algorithms: others }, 'ERR_JOSE_ALG_NOT_ALLOWED'],
]) {
  await step(`${name} refuses it`, () =>
    withApi(jwks, changed, async (ask) => assert.deepEqual(await ask(token), [401, code])),
  );
}

console.log(`${passed} passed, 0 failed`);
