/** The commands of the cookbook, spoken by a client: the same subject, headers and payload, answered in the same words. */
import { execFile } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';
import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import { headers as newHeaders, type MsgHdrs } from '@nats-io/transport-node';
import { collect } from '../contract/world.ts';
import { words } from './cookbook.ts';
import type { World } from './world.ts';

const options = {
  header: { type: 'string', short: 'H', multiple: true },
  jetstream: { type: 'boolean', short: 'J' },
  raw: { type: 'boolean' },
  names: { type: 'boolean' },
  force: { type: 'boolean', short: 'f' },
  'terminate-at-end': { type: 'boolean', short: 'T' },
  all: { type: 'boolean' },
  stream: { type: 'string' },
  'last-for': { type: 'string' },
  subject: { type: 'string' },
} as const;

const parsed = (line: string) => {
  const { values, positionals } = parseArgs({ args: words(line).slice(1), options, allowPositionals: true });
  return { flags: values, args: positionals };
};
type Command = ReturnType<typeof parsed>;
type Verb = (world: World, command: Command) => Promise<string>;

const hdrs = (lines: readonly string[] | undefined): { headers?: MsgHdrs } => {
  if (!lines) return {};
  const made = newHeaders();
  for (const line of lines) made.set(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1));
  return { headers: made };
};

const lines = (found: MsgHdrs | undefined): readonly string[] =>
  (found?.keys() ?? []).map((name) => `${name}: ${found?.get(name)}`);

const listed = async <T>(found: AsyncIterable<T>): Promise<readonly T[]> => {
  const items: T[] = [];
  for await (const item of found) items.push(item);
  return items;
};

const row = (...cells: readonly (string | number)[]): string => `│ ${cells.join(' │ ')} │`;

const verbs: Readonly<Record<string, Verb>> = {
  pub: async ({ js }, { args: [, subject = '', payload = ''], flags }) => {
    const { stream, seq } = await js.publish(subject, payload, hdrs(flags.header));
    return `Published ${payload.length} bytes to "${subject}"\nStored in Stream: ${stream} Sequence: ${seq}`;
  },
  req: async ({ nc }, { args: [, subject = '', payload = ''], flags }) => {
    const answer = await nc.request(subject, payload, { timeout: 10_000, ...hdrs(flags.header) });
    return [...(flags.raw ? [] : lines(answer.headers)), answer.string()].join('\n');
  },
  'kv get': async (world, { args: [, , bucket = '', key = ''] }) =>
    (await (await world.bucket(bucket)).get(key))?.string() ?? 'key not found',
  'kv ls': async (world, { args: [, , bucket = '', filter = '>'] }) =>
    (await listed(await (await world.bucket(bucket)).keys(filter))).join('\n'),
  'stream subjects': async (world, { args: [, , stream = '', filter] }) =>
    (await world.subjects(stream, filter)).join('\n'),
  'stream get': async ({ jsm }, { args: [, , stream = ''], flags }) => {
    const found = await jsm.streams.getMessage(stream, { last_by_subj: flags['last-for'] ?? '' });
    if (!found) return 'no message found';
    const item = `Item: ${stream}#${found.seq} received ${found.time.toISOString()} (1ms) on Subject ${found.subject}`;
    return [item, 'Headers:', ...lines(found.header), found.string()].join('\n');
  },
  'stream purge': async ({ jsm }, { args: [, , stream = ''], flags }) =>
    `Purged ${(await jsm.streams.purge(stream, { filter: flags.subject ?? '' })).purged} messages from ${stream}`,
  'consumer report': async ({ jsm }, { args: [, , stream = ''] }) => {
    const { messages } = (await jsm.streams.info(stream)).state;
    const found = await listed(jsm.consumers.list(stream));
    const head = ['Ack Pending', 'Redelivered', 'Unprocessed', 'Ack Floor', 'API Level', 'Cluster'];
    const rows = found.map(({ name, config, num_ack_pending, num_redelivered, num_pending, ack_floor }) => {
      const mode = [name, 'Pull', config.ack_policy === AckPolicy.Explicit ? 'Explicit' : config.ack_policy, '5.00s'];
      const share = num_pending === 0 ? '0' : `${num_pending} / ${Math.round((num_pending / messages) * 100)}%`;
      return row(...mode, num_ack_pending, num_redelivered, share, ack_floor.stream_seq, 0, '');
    });
    return [row('Consumer', 'Mode', 'Ack Policy', 'Ack Wait', ...head), ...rows].join('\n');
  },
  'micro ls': async ({ nc }) => {
    const { name, version, id, description } = (await nc.request('$SRV.INFO')).json<Readonly<Record<string, string>>>();
    return row(name ?? '', version ?? '', id ?? '', description ?? '');
  },
  sub: async ({ js }, { args: [, subject = ''], flags }) => {
    const consumer = await js.consumers.get(flags.stream ?? '', {
      filter_subjects: subject,
      deliver_policy: DeliverPolicy.All,
    });
    const { num_pending: max_messages } = await consumer.info();
    const found = await listed(await consumer.fetch({ max_messages }));
    return found.map((message) => message.string()).join('\n');
  },
};

const nats = (world: World, line: string): Promise<string> => {
  const command = parsed(line);
  const verb = verbs[command.args.slice(0, 2).join(' ')] ?? verbs[command.args[0] ?? ''];
  if (!verb) throw new Error(`nobody has said what a client does for: ${line}`);
  return verb(world, command);
};

/** A command that ends by itself; resolves with what it would write. */
export const speak = async (world: World, line: string): Promise<string> => {
  if (!line.startsWith('nats ')) return (await promisify(execFile)('sh', ['-c', line])).stdout;
  const [first = '', ...pipe] = line.split(' | ');
  const output = await nats(world, first);
  if (pipe.length === 0) return output;
  const [cut = '', each = ''] = pipe;
  const from = Number(/^cut -d\. -f(\d)-$/.exec(cut)?.[1]) - 1;
  const template = each.replace(/^xargs -I\{\} /, '');
  const keys = output.split('\n').map((name) => name.split('.').slice(from).join('.'));
  return (await Promise.all(keys.map((key) => nats(world, template.replace('{}', key))))).join('\n');
};

/** Whether it stays until Ctrl-C. */
export const isLive = (line: string): boolean => /^nats (sub (?!.*-T)|kv watch)/.test(line);

/** A command that stays, once it hears; what it writes grows. */
export const listen = async (world: World, line: string): Promise<() => string> => {
  const { args, flags } = parsed(line);
  const heard = collect<string>();
  if (args[0] === 'kv') {
    const [, , bucket = '', key = '>'] = args;
    const watch = await (await world.bucket(bucket)).watch({ key });
    void (async () => {
      // Ends with the connection.
      for await (const entry of watch)
        heard.push(`[${entry.created.toISOString()}] ${entry.operation} ${bucket} > ${entry.key}: ${entry.string()}`);
    })();
  } else {
    let n = 0;
    const callback = (_error: Error | null, message: { readonly subject: string; string(): string }): void =>
      heard.push(`${flags.raw ? '' : `[#${(n += 1)}] Received on "${message.subject}"\n`}${message.string()}`);
    world.nc.subscribe(args[1] ?? '', { callback });
    await world.nc.flush();
  }
  return () => heard.items.join('\n');
};
