/** A node's configuration, from its environment and its command line: one schema, every mistake at once. */
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { duration as durationShape, tokenRule } from './app/shape.ts';
import { didYouMean } from './app/suggest.ts';
import type { NatsCredentials } from './bus/nats/credentials.ts';
import { isToken } from './bus/subjects.ts';
import { ConfigurationError } from './kernel/errors.ts';
import { levels } from './kernel/log.ts';
import { optional } from './kernel/optional.ts';

/** A number alone is of milliseconds. */
const duration = (minMs: number, maxMs: number) =>
  z.preprocess(
    (text) => (typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : text),
    durationShape(minMs, maxMs),
  );

const name = z.string().refine(isToken, { error: `takes ${tokenRule}` });
const number = (min: number, max: number) =>
  z.string().regex(/^\d+$/, 'takes a whole number').transform(Number).pipe(z.number().min(min).max(max));
const address = (protocols: RegExp, example: string) =>
  z
    .string()
    .refine((text) => text.split(',').every((part) => URL.canParse(part.trim()) && protocols.test(part.trim())), {
      error: `takes an address such as ${example}`,
    });

const mb = 1024 * 1024;

const environment = z.object({
  /** Several of one cluster by commas. */
  NATS_URL: address(/^(nats|tls):\/\//, 'nats://127.0.0.1:4222 or tls://nats.example.org:4222').optional(),
  NATS_USER: z.string().optional(),
  NATS_PASSWORD: z.string().optional(),
  /** Paths of files: `NatsCredentials` says of what. */
  NATS_CREDS: z.string().optional(),
  NATS_NKEY: z.string().optional(),
  NATS_CA: z.string().optional(),
  NATS_CERT: z.string().optional(),
  NATS_KEY: z.string().optional(),
  /** `none`: this node keeps no history, and asks others for it. */
  DATABASE_URL: z
    .union([
      z.literal('none'),
      address(/^postgres(ql)?:\/\//, 'postgres://user:password@127.0.0.1:5432/troupe, or none'),
    ])
    .optional(),
  /** Path of the module whose default export is the app. */
  TROUPE_APP: z.string().min(1).optional(),
  /** This node among all; by default the host's name and the process id. */
  TROUPE_NODE: name.optional(),
  TROUPE_REGION: name.default('main'),
  /** 0: no HTTP. */
  HTTP_PORT: number(0, 65_535).optional(),
  /** For other machines, on every interface: whether it is well, and its metrics, and no more. 0: not at all. */
  PROBE_PORT: number(0, 65_535).default(0),
  LOG_LEVEL: z.enum([...levels, 'silent']).default('info'),
  /** Where the servers of `--dev` keep their files; one node at a time. */
  TROUPE_DEV_DIR: z.string().min(1).default('.troupe/dev'),
  /** After how long without a sign of life a delivery is handed to another worker; the longest of all nodes that run. */
  TROUPE_ACK_WAIT: duration(1_000, 600_000).default(30_000),
  /** How long running tasks may go on once the node is asked to stop. */
  TROUPE_GRACE: duration(0, 3_600_000).default(25_000),
  /** How long the record of a task that has ended stays in KV. */
  TROUPE_RECORD_LIFE: duration(10_000, 30 * 86_400_000).default(3_600_000),
  /** Copies of each stream: 1, or 3 and 5 in a cluster. */
  TROUPE_REPLICAS: number(1, 5).default(1),
  /** Of each queue; a full one refuses submitters. */
  TROUPE_QUEUE_BYTES: number(mb, 1024 * 1024 * mb).default(512 * mb),
});

export type Config = Readonly<z.infer<typeof environment>> & { readonly node: string; readonly dev: boolean };

export type Command =
  | { readonly type: 'run'; readonly config: Config }
  | { readonly type: 'help' }
  | { readonly type: 'version' };

export const usage = `node dist/node.js [--app FILE] [--dev]

  --app FILE   the module whose default export is the app (TROUPE_APP; in a clone the examples by default)
  --dev        start what is not configured: a nats-server, a Postgres, a simulated model
  --help       this text
  --version    Troupe's version

Environment, with defaults:
  NATS_URL=nats://127.0.0.1:4222   DATABASE_URL (needed without --dev; none: no history here)
  NATS_USER NATS_PASSWORD NATS_CREDS NATS_NKEY NATS_CA NATS_CERT NATS_KEY (as the nats command has them)
  TROUPE_NODE=<host>-<pid>         TROUPE_REGION=main
  HTTP_PORT=8080 (0: off)          PROBE_PORT=0 (off)
  TROUPE_ACK_WAIT=30s              TROUPE_GRACE=25s
  TROUPE_RECORD_LIFE=1h            TROUPE_REPLICAS=1
  TROUPE_QUEUE_BYTES=536870912     LOG_LEVEL=info (debug, warn, error, silent)
  TROUPE_DEV_DIR=.troupe/dev (of --dev: data, logs, postgres.url)
`;

/** Throws `ConfigurationError` with every mistake there is. */
export const parseConfig = (env: Readonly<Record<string, string | undefined>>, argv: readonly string[]): Command => {
  const mistakes: string[] = [];
  const flags = parseFlags(argv, mistakes);
  if (flags.help) return { type: 'help' };
  if (flags.version) return { type: 'version' };

  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  for (const unknown of Object.keys(present).filter((key) => key.startsWith('TROUPE_') && !(key in environment.shape)))
    mistakes.push(`${unknown} is no setting${didYouMean(unknown, Object.keys(environment.shape))}`);
  const parsed = environment.safeParse({ ...present, ...(flags.app === undefined ? {} : { TROUPE_APP: flags.app }) });
  for (const issue of parsed.error?.issues ?? [])
    mistakes.push(`${issue.path.join('.')} is "${shown(present, issue.path)}": ${issue.message}`);
  const dev = flags.dev ?? false;
  if (!dev && present['DATABASE_URL'] === undefined)
    mistakes.push('DATABASE_URL is not set; give the address of a Postgres, or start with --dev, which brings one');
  if (!parsed.success || mistakes.length > 0) throw new ConfigurationError(mistakes);
  const node =
    parsed.data.TROUPE_NODE ??
    `${hostname()
      .replace(/[^A-Za-z0-9_-]/g, '-')
      .slice(0, 40)}-${process.pid}`;
  return { type: 'run', config: Object.freeze({ ...parsed.data, node, dev }) };
};

/** Where NATS is configured, and not started beside us. */
export const natsCredentials = (config: Config): NatsCredentials =>
  optional({
    user: config.NATS_USER,
    password: config.NATS_PASSWORD,
    creds: config.NATS_CREDS,
    nkey: config.NATS_NKEY,
    ca: config.NATS_CA,
    cert: config.NATS_CERT,
    key: config.NATS_KEY,
  });

/** Addresses may hold passwords. */
const shown = (env: Readonly<Record<string, string | undefined>>, path: readonly PropertyKey[]): string =>
  (env[String(path[0])] ?? '').replace(/:\/\/[^@/]*@/, '://…@').slice(0, 80);

const parseFlags = (argv: readonly string[], mistakes: string[]) => {
  try {
    const options = {
      app: { type: 'string' },
      dev: { type: 'boolean' },
      help: { type: 'boolean' },
      version: { type: 'boolean' },
    } as const;
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    mistakes.push(`${error instanceof Error ? error.message : String(error)}; see --help`);
    return {};
  }
};
