/** Who connects, and whom a server must be known by: from the address and files to what the library takes. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { type Authenticator, credsAuthenticator, errors, nkeyAuthenticator } from '@nats-io/nats-core';
import type { ConnectionOptions } from '@nats-io/transport-node';
import { ConfigurationError } from '../../kernel/errors.ts';
import { optional } from '../../kernel/optional.ts';
import type { Servers } from './servers.ts';

/**
 * How a connection to NATS shows who it is, and how it knows the server: by one of `user` and `password`, `creds`, `nkey`,
 * and what the address says, and over TLS where the address begins with `tls://` or one of `ca` and `cert` is given. Files
 * are read again whenever it connects, so that they can be renewed under way. The `nats` command and a node have the
 * same in `NATS_USER`, `NATS_PASSWORD`, `NATS_CREDS`, `NATS_NKEY`, `NATS_CA`, `NATS_CERT` and `NATS_KEY`.
 */
export interface NatsCredentials {
  readonly user?: string;
  readonly password?: string;
  /** A file with a JWT and its seed, as `nsc generate creds` writes it. */
  readonly creds?: string;
  /** A file with the seed of an nkey. */
  readonly nkey?: string;
  /** A PEM file of the authorities that servers' certificates are signed by; those that Node knows. */
  readonly ca?: string;
  /** A PEM file with the certificate that this connection shows, where servers ask for one; needs `key`. */
  readonly cert?: string;
  /** A PEM file with its private key. */
  readonly key?: string;
}

export type Login = Pick<ConnectionOptions, 'user' | 'pass' | 'token' | 'authenticator' | 'tls'>;

/** Throws `ConfigurationError` with all that is wrong. */
export const loginOf = ({ addresses, credentials: inAddress }: Servers, given: NatsCredentials): Login => {
  const { user, password: pass, ca, cert, key } = given;
  const mistakes = [...tooMany(inAddress, given), ...halves(given)];
  const certificates = optional({
    ca: attempt(mistakes, 'ca', ca, readFileSync),
    cert: attempt(mistakes, 'cert', cert, readFileSync),
    key: attempt(mistakes, 'key', key, readFileSync),
  });
  const authenticator =
    attempt(mistakes, 'creds', given.creds, fromCreds) ?? attempt(mistakes, 'nkey', given.nkey, fromSeed);
  if (mistakes.length === 0)
    attempt(mistakes, cert === undefined ? 'ca' : 'cert', cert ?? ca, () => createSecureContext(certificates));
  if (mistakes.length > 0) throw new ConfigurationError(mistakes);
  const secure = ca !== undefined || cert !== undefined || addresses.some((address) => address.startsWith('tls://'));
  const tls = secure ? optional({ caFile: ca, certFile: cert, keyFile: key }) : undefined;
  return { ...inAddress, ...optional({ user, pass, authenticator, tls }) };
};

/** As it is called in the environment. */
const named = (member: keyof NatsCredentials): string => `NATS_${member.toUpperCase()}`;

const tooMany = (inAddress: Servers['credentials'], { user, creds, nkey }: NatsCredentials): readonly string[] => {
  const ways = { NATS_URL: inAddress.user ?? inAddress.token, NATS_USER: user, NATS_CREDS: creds, NATS_NKEY: nkey };
  const given = Object.entries(ways).flatMap(([way, value]) => (value === undefined ? [] : [way]));
  return given.length > 1 ? [`${given.join(' and ')} each say who connects; leave all but one away`] : [];
};

const pairs = [
  ['user', 'password'],
  ['cert', 'key'],
] as const;

const halves = (given: NatsCredentials): readonly string[] =>
  pairs.flatMap(([one, other]) => {
    if ((given[one] === undefined) === (given[other] === undefined)) return [];
    const [there, missing] = given[one] === undefined ? [other, one] : [one, other];
    return [`${named(there)} needs ${named(missing)} beside it`];
  });

/** What `make` makes of the file; notes in `mistakes` that it cannot. */
const attempt = <T>(
  mistakes: string[],
  member: keyof NatsCredentials,
  path: string | undefined,
  make: (path: string) => T,
): T | undefined => {
  if (path === undefined) return undefined;
  try {
    return make(path);
  } catch (error) {
    mistakes.push(
      `${named(member)}: ${path} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
    );
    return undefined;
  }
};

const fromCreds = (path: string): Authenticator => renewed(() => credsAuthenticator(readFileSync(path)));

const fromSeed = (path: string): Authenticator =>
  renewed(() => nkeyAuthenticator(Buffer.from(readFileSync(path, 'utf8').trim())));

/** Anew for each connection; as it was, while what is there now cannot be used. Throws if it never could. */
const renewed = (make: () => Authenticator): Authenticator => {
  let known = make();
  known();
  return (nonce) => {
    try {
      const next = make();
      const answer = next(nonce);
      known = next;
      return answer;
    } catch {
      return known(nonce);
    }
  };
};

const unknownSigner = /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/;

/** What to try where a server was reached, and nothing came of it; empty where it was not. */
export const remedyFor = (cause: unknown, { tls }: Login): string => {
  if (cause instanceof errors.AuthorizationError)
    return '; give NATS_USER and NATS_PASSWORD, NATS_CREDS or NATS_NKEY, or a user in the address';
  if (!(cause instanceof Error)) return '';
  if ('code' in cause && unknownSigner.test(String(cause.code))) return '; give those who signed it as NATS_CA';
  if (tls && !tls.certFile && cause instanceof errors.TimeoutError)
    return '; it may ask for a certificate of ours: NATS_CERT and NATS_KEY';
  return '';
};
