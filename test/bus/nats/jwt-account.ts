/** An operator, an account of its and users of that: the signed papers that `nsc` would make. */
import { createHash } from 'node:crypto';
import { nkeys } from '@nats-io/nats-core';

type Pair = ReturnType<typeof nkeys.createUser>;

const encoded = (data: string | Uint8Array): string => Buffer.from(data).toString('base64url');

/** Issued now, for ever. https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt */
const signed = (issuer: Pair, subject: Pair, nats: object): string => {
  const claims = { iat: Math.floor(Date.now() / 1_000), iss: issuer.getPublicKey(), sub: subject.getPublicKey() };
  const jti = createHash('sha256').update(JSON.stringify(claims)).digest('hex');
  const head = encoded(JSON.stringify({ typ: 'JWT', alg: 'ed25519-nkey' }));
  const text = `${head}.${encoded(JSON.stringify({ jti, ...claims, name: 'test', nats: { ...nats, version: 2 } }))}`;
  return `${text}.${encoded(issuer.sign(Buffer.from(text)))}`;
};

const unlimited = { subs: -1, data: -1, payload: -1 };

export const jwtAccount = () => {
  const [operator, system, account] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const limits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const preloaded = [system, account].map(
    (each) => `${each.getPublicKey()}: ${signed(operator, each, { type: 'account', limits })}`,
  );
  return {
    /** Of a server that believes the operator. */
    config: `operator: ${signed(operator, operator, { type: 'operator' })}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: { ${preloaded.join(', ')} }`,
    /** The content of a new user's file. */
    creds: (): string => {
      const user = nkeys.createUser();
      return `-----BEGIN NATS USER JWT-----
${signed(account, user, { type: 'user', ...unlimited })}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${new TextDecoder().decode(user.getSeed())}
------END USER NKEY SEED------
`;
    },
  };
};
