import { expect, test } from 'vitest';
import { natsCredentials, parseConfig } from '../src/config.ts';

const database = { DATABASE_URL: 'postgres://u:p@127.0.0.1:5432/x' };

const configOf = (env: Record<string, string>, argv: readonly string[] = []) => {
  const command = parseConfig(env, argv);
  if (command.type !== 'run') throw new Error(`it says ${command.type}`);
  return command.config;
};

test('an address of a Postgres is all that a node needs to be told', () => {
  const config = configOf(database);
  expect(config).toMatchObject({
    TROUPE_REGION: 'main',
    LOG_LEVEL: 'info',
    TROUPE_ACK_WAIT: 30_000,
    TROUPE_GRACE: 25_000,
    TROUPE_RECORD_LIFE: 3_600_000,
    TROUPE_REPLICAS: 1,
    dev: false,
  });
  expect(config.node).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
});

test('with --dev it needs to be told nothing', () => {
  expect(configOf({}, ['--dev'])).toMatchObject({ dev: true, TROUPE_DEV_DIR: '.troupe/dev' });
  expect(configOf({ TROUPE_DEV_DIR: '/srv/dev' }, ['--dev']).TROUPE_DEV_DIR).toBe('/srv/dev');
});

test('--app goes before TROUPE_APP', () => {
  expect(configOf({ ...database, TROUPE_APP: 'a.ts' }, ['--app', 'b.ts']).TROUPE_APP).toBe('b.ts');
});

test('an empty variable counts as not set', () => {
  expect(configOf({ ...database, TROUPE_REGION: '', HTTP_PORT: '' })).toMatchObject({ TROUPE_REGION: 'main' });
});

test('a node may do without a database of its own', () => {
  expect(configOf({ DATABASE_URL: 'none' }).DATABASE_URL).toBe('none');
});

test('every mistake is told at once, with its value and without its password', () => {
  const mistakes = (): unknown =>
    configOf(
      {
        NATS_URL: 'http://user:hunter2@x',
        DATABASE_URL: 'mysql://user:hunter2@x/y',
        HTTP_PORT: '70000',
        TROUPE_ACK_WAIT: '5 minutes',
        TROUPE_NODE: 'a.b',
        LOG_LEVEL: 'loud',
        TROUPE_POLO: '1',
      },
      ['--nonsense'],
    );
  for (const word of [
    'NATS_URL',
    'DATABASE_URL',
    'HTTP_PORT',
    '70000',
    'TROUPE_ACK_WAIT',
    '5 minutes',
    'TROUPE_NODE',
    'a.b',
    'LOG_LEVEL',
    'loud',
    'TROUPE_POLO',
    '--nonsense',
  ])
    expect(mistakes).toThrow(word);
  expect(mistakes).not.toThrow('hunter2');
});

test('a login and certificates are those of the nats command', () => {
  const names = ['USER', 'PASSWORD', 'CREDS', 'NKEY', 'CA', 'CERT', 'KEY'];
  const config = configOf({ ...database, ...Object.fromEntries(names.map((name) => [`NATS_${name}`, name])) });
  expect(natsCredentials(config)).toEqual(Object.fromEntries(names.map((name) => [name.toLowerCase(), name])));
  expect(natsCredentials(configOf(database))).toEqual({});
});

test.each(['ws://127.0.0.1:8080', 'nats://a,wss://b'])(
  'an address of another way than TCP is refused: %s',
  (NATS_URL) => {
    expect(() => configOf({ ...database, NATS_URL })).toThrow('NATS_URL');
  },
);

test('a misspelt setting is told with the one that was meant', () => {
  expect(() => configOf({ ...database, TROUPE_REGOIN: 'eu' })).toThrow('did you mean "TROUPE_REGION"');
});

test('without a Postgres it says how to bring one', () => {
  expect(() => configOf({})).toThrow('--dev');
});
