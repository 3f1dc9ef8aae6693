import { rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errors, nkeys } from '@nats-io/nats-core';
import { beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { type NatsCredentials, remedyFor } from '../../../src/bus/nats/credentials.ts';
import { startNatsServer } from '../../../src/dev/nats-server.ts';
import type { Server } from '../../../src/dev/server.ts';
import { silentLog } from '../../../src/kernel/log.ts';
import { collect } from '../../contract/world.ts';
import { atTheEnd } from '../../setup/endings.ts';
import { scratch } from '../../setup/scratch.ts';
import { certificate, key } from '../../setup/test-certificate.ts';
import { connectTo, statesOf } from './link.ts';
import { jwtAccount } from './jwt-account.ts';

let dir = '';
beforeAll(async () => {
  dir = await scratch('troupe-test-');
  atTheEnd(() => rm(dir, { recursive: true, force: true }));
});

let files = 0;
const fileWith = async (content: string): Promise<string> => {
  const path = join(dir, `${(files += 1)}`);
  await writeFile(path, content);
  return path;
};

/** From the server's own directory, which is one of its like. */
const including = (file: string): string => `include ${JSON.stringify(join('..', basename(dir), basename(file)))}`;

/** It reads files of ours, so it runs beside us. */
const serverWith = async (config: string): Promise<Server> => {
  const own = { dir: await scratch('troupe-test-'), binary: inject('natsServer'), config };
  const server = await startNatsServer(own);
  onTestFinished(async () => {
    await server.kill();
    await rm(own.dir, { recursive: true, force: true });
  });
  return server;
};

const connected = async (server: Pick<Server, 'url'>, credentials: NatsCredentials): Promise<void> => {
  const link = await connectTo(server.url, { credentials });
  await link.bus.flush();
};

describe('over TLS', () => {
  const tls = async () => {
    const [cert, keyFile] = await Promise.all([fileWith(certificate), fileWith(key)]);
    const server = await serverWith(
      `tls { cert_file: "${cert}", key_file: "${keyFile}", ca_file: "${cert}", verify: true }`,
    );
    return { server, all: { ca: cert, cert, key: keyFile } };
  };

  test('a server that asks for a certificate is shown ours, and known by who signed its own', async () => {
    const { server, all } = await tls();
    await connected(server, all);
    await connected({ url: server.url.replace('nats:', 'tls:') }, all);
  });

  test('it says what is missing where one side does not know the other', async () => {
    const { server, all } = await tls();
    await expect(connected(server, {})).rejects.toMatchObject({ code: 'unavailable', message: /NATS_CA/ });
    // The library takes 5 s to notice that the server has hung up.
    expect(remedyFor(new errors.TimeoutError(), { tls: { caFile: all.ca } })).toContain('NATS_CERT and NATS_KEY');
    expect(remedyFor(new errors.TimeoutError(), { tls: { caFile: all.ca, certFile: all.cert } })).toBe('');
  });

  test('an address with tls:// is told nothing in the clear', async () => {
    const server = await serverWith('authorization { user: me, password: secret }');
    const url = server.url.replace('nats://', 'tls://me:secret@');
    await expect(connected({ url }, {})).rejects.toMatchObject({ message: /does not support 'tls'/ });
    await connected(server, { user: 'me', password: 'secret' });
  });
});

test('a user and a password need not be in the address, and need no encoding', async () => {
  const server = await serverWith('authorization { user: me, password: "p@ss/word:%" }');
  await connected(server, { user: 'me', password: 'p@ss/word:%' });
  await expect(connected(server, { user: 'me', password: 'wrong' })).rejects.toMatchObject({ message: /NATS_CREDS/ });
});

test('a credentials file lets in, as the server that knows its operator says', async () => {
  const account = jwtAccount();
  const server = await serverWith(account.config);
  await connected(server, { creds: await fileWith(account.creds()) });
  await expect(connected(server, { creds: await fileWith(jwtAccount().creds()) })).rejects.toMatchObject({
    code: 'unavailable',
  });
});

const nkey = () => {
  const pair = nkeys.createUser();
  const config = `authorization { users: [{ nkey: ${pair.getPublicKey()} }] }`;
  return { config, seed: `${new TextDecoder().decode(pair.getSeed())}\n` };
};

test('an nkey lets in, and one that has been changed meanwhile does so too', async () => {
  const [before, after] = [nkey(), nkey()];
  const [users, seed] = await Promise.all([fileWith(before.config), fileWith(before.seed)]);
  const server = await serverWith(including(users));
  const link = await connectTo(server.url, { credentials: { nkey: seed } });
  const states = statesOf(link);
  await server.kill();
  await Promise.all([writeFile(users, after.config), writeFile(seed, after.seed)]);
  await server.restart();
  expect(await states.count(2)).toEqual(['disconnected', 'connected']);
});

test('while a changed file holds nothing of use, what it held before counts', async () => {
  const { config, seed } = nkey();
  const file = await fileWith(seed);
  const server = await serverWith(config);
  const link = await connectTo(server.url, { credentials: { nkey: file } });
  const states = statesOf(link);
  await writeFile(file, 'half a se');
  await server.kill();
  await server.restart();
  expect(await states.count(2)).toEqual(['disconnected', 'connected']);
});

test('who is refused while passwords are being changed goes on asking, and is let in at last', async () => {
  const users = await fileWith('authorization { user: me, password: secret }');
  const server = await serverWith(including(users));
  const warnings = collect<object | string>();
  const log = { ...silentLog, warn: warnings.push };
  const link = await connectTo(server.url, { credentials: { user: 'me', password: 'secret' }, log });
  const states = statesOf(link);
  await server.kill();
  await writeFile(users, 'authorization { user: me, password: other }');
  await server.restart();
  await warnings.count(5); // It is lost, and refused four times.
  await server.kill();
  await writeFile(users, 'authorization { user: me, password: secret }');
  await server.restart();
  expect(await states.count(2)).toEqual(['disconnected', 'connected']);
});

test('every mistake is told at once, by the name of the setting', async () => {
  const nonsense = await fileWith('nonsense');
  const given = { user: 'me', creds: nonsense, nkey: nonsense, ca: join(dir, 'nothing'), cert: nonsense };
  await expect(connectTo('nats://you:secret@127.0.0.1:1', { credentials: given })).rejects.toMatchObject({
    code: 'configuration',
    mistakes: [
      'NATS_URL and NATS_USER and NATS_CREDS and NATS_NKEY each say who connects; leave all but one away',
      'NATS_USER needs NATS_PASSWORD beside it',
      'NATS_CERT needs NATS_KEY beside it',
      expect.stringMatching(/^NATS_CA: .*nothing cannot be used: ENOENT/),
      expect.stringMatching(/^NATS_CREDS: .* cannot be used: unable to parse credentials/),
      expect.stringMatching(/^NATS_NKEY: .* cannot be used: /),
    ],
  });
  await expect(
    connectTo('nats://127.0.0.1:1', { credentials: { cert: nonsense, key: nonsense } }),
  ).rejects.toMatchObject({ mistakes: [expect.stringMatching(/^NATS_CERT: .* cannot be used: .*PEM/)] });
});
