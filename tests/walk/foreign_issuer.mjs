// An issuer whose tokens jose signs, and an API that grantwell protects: the example `resource_server`, the path of
// whose program is the argument.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import * as jose from 'jose';

const [PROGRAM] = process.argv.slice(2);
const [ISSUER, RESOURCE] = ['https://as.example', 'https://api.example/v1'];
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'];

let passed = 0;

async function step(name, run) {
  await run();
  passed += 1;
  console.log(`ok ${passed} - foreign issuer with jose: ${name}`);
}

async function newKey(alg, kid = `${alg}-1`) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, jwk: { ...(await jose.exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

const now = () => Math.floor(Date.now() / 1000);

// A member that is undefined is left out.
function sign({ alg, kid, privateKey }, claims = {}, header = {}) {
  const who = { iss: ISSUER, sub: 'ada', aud: RESOURCE, client_id: 'app', jti: '1', scope: 'profile' };
  const token = new jose.SignJWT({ ...who, iat: now(), exp: now() + 300, ...claims });
  return token.setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header }).sign(privateKey);
}

const keys = await Promise.all(ALGORITHMS.map((alg) => newKey(alg)));
const published = keys.map(({ jwk }) => jwk);
let asked = 0;
const jwks = createServer((_, response) => {
  asked += 1;
  response.setHeader('content-type', 'application/jwk-set+json').end(JSON.stringify({ keys: published }));
});
await once(jwks.listen(0, '127.0.0.1'), 'listening');
const jwksUri = `http://127.0.0.1:${jwks.address().port}/jwks`;

const api = spawn(PROGRAM, [ISSUER, jwksUri, RESOURCE, '127.0.0.1:0', '--allow-loopback'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
process.on('exit', () => api.kill());
const [line] = await once(createInterface(api.stdout), 'line');
const me = new URL('/me', line.split(' ').at(-1));

const ask = (token) => fetch(me, { headers: { authorization: `Bearer ${token}` } });

async function accepts(token) {
  const answer = await ask(token);
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { client_id: 'app', user_id: 'ada', scope: 'profile' });
}

async function refuses(token) {
  const answer = await ask(token);
  assert.equal(answer.status, 401);
  assert.match(answer.headers.get('www-authenticate'), /error="invalid_token"/);
}

for (const key of keys) await step(`${key.alg} is accepted`, async () => accepts(await sign(key)));

const key = keys.find(({ alg }) => alg === 'ES256');
const attacker = await newKey('ES256', key.kid);
const [head, payload, signature] = (await sign(key)).split('.');
const encode = (members) => jose.base64url.encode(JSON.stringify(members));
const shared = new TextEncoder().encode(JSON.stringify(key.jwk));

for (const [name, token] of Object.entries({
  'another issuer': await sign(key, { iss: 'https://evil.example' }),
  'another audience': await sign(key, { aud: 'https://other.example' }),
  'an expired token': await sign(key, { iat: now() - 600, exp: now() - 1 }),
  'a token of tomorrow': await sign(key, { nbf: now() + 86400 }),
  'typ JWT': await sign(key, {}, { typ: 'JWT' }),
  'no typ': await sign(key, {}, { typ: undefined }),
  'no client_id': await sign(key, { client_id: undefined }),
  'another payload': `${head}.${encode({ ...jose.decodeJwt(`${head}.${payload}.`), scope: 'admin' })}.${signature}`,
  'a signature over something else': `${head}.${payload}.${(await sign(key, { jti: '2' })).split('.')[2]}`,
  'alg none': `${encode({ alg: 'none', kid: key.kid, typ: 'at+jwt' })}.${payload}.`,
  'another key of the same kid': await sign(attacker),
  'another key inside': await sign(attacker, {}, { kid: undefined, jwk: attacker.jwk }),
  'the public key as a shared secret': await sign({ ...key, alg: 'HS256', privateKey: shared }),
  'an unknown kid': await sign(key, {}, { kid: 'unknown' }),
  'an opaque token': 'SlAV32hkKG',
})) {
  await step(`${name}: refused`, () => refuses(token));
}
await step('a good token is still accepted', async () => accepts(await sign(key)));
await step('the keys were fetched twice: once more for the unknown kid', () => assert.equal(asked, 2));

jwks.close();
console.log(`${passed} passed, 0 failed`);
process.exit();
