// A real OpenID provider on loopback for the interop tests.
//
// It prints one JSON line, {"issuer": "...", "ready": true}, and serves until it is told
// to stop. Its keys live as long as it does.
//
// A resource indicator says what the access token shall be:
//   urn:resource:<audience>:<algorithm>:<seconds to live>
// any other resource (a bridge's own address) is its own audience, RS256, one hour.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { Provider, errors } from '../npm/node_modules/oidc-provider/lib/index.js';

const SCOPES = ['mcp', 'mcp:read', 'mcp:call'];
const ALGORITHMS = ['RS256', 'ES256'];
const HOUR = 3600;

function signingKey(kid, alg, type, options) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

function resourceServer(_ctx, resource) {
  const [, audience, alg, ttl] = /^urn:resource:([^:]+):([^:]+):(\d+)$/.exec(resource)
    ?? [null, resource, 'RS256', String(HOUR)];
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

function configuration() {
  return {
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
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  provider.on('server_error', (_ctx, error) => console.error(error));
  server.on('request', provider.callback());
  console.log(JSON.stringify({ issuer, ready: true }));
});
