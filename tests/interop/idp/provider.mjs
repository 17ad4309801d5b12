// A real OpenID provider on loopback for the interop tests.
//
// It prints one JSON line, {"issuer": "...", "ready": true}, and serves until it is told
// to stop. Its keys live as long as it does.
//
// A resource indicator says what the access token shall be:
//   urn:resource:<audience>:<algorithm>:<seconds to live>
// any other resource (a server's own address) is its own audience, RS256, `lifetime` s.
//
// The one argument is a JSON object of options:
//   lifetime  seconds such a token lives (one hour)
//   grace     seconds in which a used refresh token may be used again (none); after that
//             its use is theft, and ends the whole login
//   delay     seconds an answer with tokens is on its way (none)
// GET /counts tells what it has done so far.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Provider, errors } from '../npm/node_modules/oidc-provider/lib/index.js';
import { createMemoryAdapter } from
  '../npm/node_modules/oidc-provider/lib/adapters/memory_adapter.js';

const SCOPES = ['mcp', 'mcp:read', 'mcp:call'];
const ALGORITHMS = ['RS256', 'ES256'];
const HOUR = 3600;
const OPTIONS = { lifetime: HOUR, grace: 0, delay: 0, ...JSON.parse(process.argv[2] ?? '{}') };

function signingKey(kid, alg, type, options) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

function resourceServer(_ctx, resource) {
  const [, audience, alg, ttl] = /^urn:resource:([^:]+):([^:]+):(\d+)$/.exec(resource)
    ?? [null, resource, 'RS256', String(OPTIONS.lifetime)];
  if (!ALGORITHMS.includes(alg)) throw new errors.InvalidTarget(`no key for ${alg}`);
  return {
    audience,
    scope: SCOPES.join(' '),
    accessTokenTTL: Number(ttl),
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg } },
  };
}

function machine(name) {
  return {
    client_id: name,
    client_secret: `${name}-secret-for-tests`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: SCOPES.join(' '),
  };
}

// The provider knows no grace. Its memory shows a refresh token as unused for so long.
function forgiving(inner) {
  const usedAt = new Map();
  const { find, consume } = inner;
  return Object.assign(inner, {
    async find(id) {
      const found = await find.call(inner, id);
      const forgiven = Date.now() - (usedAt.get(id) ?? -Infinity) < OPTIONS.grace * 1000;
      return found && forgiven ? { ...found, consumed: undefined } : found;
    },
    async consume(id) {
      usedAt.set(id, usedAt.get(id) ?? Date.now());
      await consume.call(inner, id);
    },
  });
}

function adapter() {
  const memory = createMemoryAdapter();
  return (model) => (model === 'RefreshToken' ? forgiving(memory(model)) : memory(model));
}

// How often what happened: a grant by the audience of its token, an error by its reason.
function countingOf(provider) {
  const counts = { granted: {}, refused: {}, registered: 0, revoked: 0 };
  const add = (place, key) => { place[key] = (place[key] ?? 0) + 1; };
  provider.on('grant.success', (ctx) => {
    const { params, entities } = ctx.oidc;
    const token = entities.AccessToken ?? entities.ClientCredentials;
    add(counts.granted, `${params.grant_type} ${token?.aud ?? ''}`);
  });
  provider.on('grant.error', (_ctx, error) => {
    add(counts.refused, error.error_detail ?? error.error);
  });
  provider.on('registration_create.success', () => add(counts, 'registered'));
  provider.on('grant.revoked', () => add(counts, 'revoked'));
  return counts;
}

// A network between the provider and those who ask it for tokens.
async function distance(ctx, next) {
  await next();
  if (ctx.path === '/token') await setTimeout(OPTIONS.delay * 1000);
}

function configuration() {
  return {
    adapter: adapter(),
    clients: ['alice', 'bob'].map(machine),
    scopes: ['openid', 'offline_access', ...SCOPES],
    jwks: {
      keys: [
        signingKey('rsa', 'RS256', 'rsa', { modulusLength: 2048 }),
        signingKey('ec', 'ES256', 'ec', { namedCurve: 'P-256' }),
      ],
    },
    cookies: { keys: ['cookies-of-a-test-provider'] },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      registration: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: resourceServer,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
      },
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? HOUR,
      ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? HOUR,
      AuthorizationCode: 60,
      Grant: 24 * HOUR,
      Interaction: HOUR,
      RefreshToken: 24 * HOUR,
      Session: 24 * HOUR,
    },
  };
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  provider.on('server_error', (_ctx, error) => console.error(error));
  provider.use(distance);
  const counts = countingOf(provider);
  const serve = provider.callback();
  server.on('request', (request, response) => {
    if (request.url !== '/counts') return serve(request, response);
    return response.setHeader('content-type', 'application/json').end(JSON.stringify(counts));
  });
  console.log(JSON.stringify({ issuer, ready: true }));
});
