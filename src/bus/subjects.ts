/**
 * Every subject, stream, consumer and bucket name, made in one place, which refuses what could mean something
 * else on the wire: a `*`, a `>`, a dot or a space in a name would address other people's messages.
 */
import { InvalidNameError } from '../kernel/errors.ts';

/** How urgent a task is. A lane before another is served more often; none starves. */
export type Lane = 'high' | 'normal' | 'low';
/** In the order in which they are served. */
export const lanes = ['high', 'normal', 'low'] as const satisfies readonly Lane[];

const token = /^[A-Za-z0-9_-]{1,64}$/;
/** Marks an encoded id: a token never holds it, so nothing that was not encoded can look as if it was. */
const mark = '=';
export const idBytesMax = 512;

export const isToken = (name: string): boolean => token.test(name);

/** The name itself; throws `InvalidNameError` for what is no subject token. */
export const named = (what: string, name: string): string => {
  if (!token.test(name)) throw new InvalidNameError(what, name);
  return name;
};

const idTakes = `give 1 to ${idBytesMax} bytes of text without U+0000`;
/** Postgres keeps no U+0000, and UTF-8 no half of a surrogate pair. */
const isStorable = (id: string): boolean => id.isWellFormed() && !id.includes('\0');

/** An id of a user's making as one subject token. */
export const encodeId = (id: string): string => {
  if (token.test(id)) return id;
  const bytes = Buffer.from(id, 'utf8');
  if (bytes.length === 0 || bytes.length > idBytesMax || !isStorable(id)) throw new InvalidNameError('id', id, idTakes);
  return mark + bytes.toString('base64url');
};

export const decodeId = (encoded: string): string =>
  encoded.startsWith(mark) ? Buffer.from(encoded.slice(1), 'base64url').toString('utf8') : encoded;

/** Whether `encodeId` could have made it: anybody may publish anything. */
const isEncodedId = (text: string): boolean => {
  if (!text.startsWith(mark)) return token.test(text);
  const id = decodeId(text);
  return id !== '' && Buffer.byteLength(id) <= idBytesMax && encodeId(id) === text;
};

/** One task, wherever it is named: the key of its record, and the end of each of its subjects. */
export const taskKey = (type: string, id: string): string => `${named('task type', type)}.${encodeId(id)}`;

export const splitTaskKey = (key: string): { readonly type: string; readonly id: string } => {
  const dot = key.indexOf('.');
  return { type: key.slice(0, dot), id: decodeId(key.slice(dot + 1)) };
};

export interface Route {
  readonly pool: string;
  readonly lane: Lane;
  /** Of a hash pool; '0' elsewhere. */
  readonly partition: string;
}

const regional = (region: string, pool: string): string => (region === 'main' ? pool : `${region}_${pool}`);

export const streams = {
  inbox: 'INBOX',
  sched: 'SCHED',
  dlq: 'DLQ',
  tokens: 'TOKENS',
  work: (region: string, pool: string): string => `WORK_${regional(named('region', region), named('pool', pool))}`,
  bucket: (bucket: string): string => `KV_${named('bucket', bucket)}`,
} as const;

export const consumers = {
  lane: (pool: string, lane: Lane): string => `${named('pool', pool)}-${lane}`,
  ingress: 'ingress',
  due: 'due',
  projector: 'projector',
} as const;

export const subjects = {
  /** What arrives for ingress. */
  task: (type: string): string => `tasks.${named('task type', type)}`,
  tasks: 'tasks.>',
  work: (region: string, { pool, lane, partition }: Route, key: string): string =>
    `work.${named('region', region)}.${named('pool', pool)}.${lane}.${partition}.${key}`,
  workOfRegion: (region: string): string => `work.${named('region', region)}.>`,
  workOfLane: (region: string, pool: string, lane: Lane): string =>
    `work.${named('region', region)}.${named('pool', pool)}.${lane}.>`,
  /** In whichever pool and lane the task may be stored. */
  workOfTask: (region: string, key: string): string => `work.${named('region', region)}.*.*.*.${key}`,
  /** The timer of a task's `n`th wait; 0 is the delay it was submitted with. */
  sched: (key: string, n: number): string => `sched.task.${key}.${n}`,
  schedOfTask: (key: string): string => `sched.task.${key}.*`,
  cron: (name: string): string => `sched.cron.${named('schedule', name)}`,
  due: (region: string, { pool, lane, partition }: Route, key: string): string =>
    `due.task.${named('region', region)}.${named('pool', pool)}.${lane}.${partition}.${key}`,
  dueOfTask: (key: string): string => `due.task.*.*.*.*.${key}`,
  dueCron: (name: string): string => `due.cron.${named('schedule', name)}`,
  dues: 'due.>',
  scheds: 'sched.>',
  dlq: (pool: string, reason: string, key: string): string =>
    `dlq.${named('pool', pool)}.${named('reason', reason)}.${key}`,
  dlqOfTask: (key: string): string => `dlq.*.*.${key}`,
  dlqOfPool: (pool: string): string => `dlq.${named('pool', pool)}.`,
  dlqs: 'dlq.>',
  /** What a bucket keeps under a key, which may hold wildcards; what all of them begin with, for ''. */
  entry: (bucket: string, key: string): string => `$KV.${named('bucket', bucket)}.${key}`,
  results: (key: string): string => `results.${key}`,
  tokens: (key: string): string => `tokens.${key}`,
  tokensAll: 'tokens.>',
  cancel: (key: string): string => `ctl.cancel.${key}`,
  cancels: 'ctl.cancel.>',
  where: (key: string): string => `ctl.where.${key}`,
  wheres: 'ctl.where.>',
  serves: (region: string, pool: string): string => `ctl.serves.${named('region', region)}.${named('pool', pool)}`,
  history: 'ctl.history',
  limiter: (budget: string, verb: 'acquire' | 'settle' | 'penalize' | 'status'): string =>
    `limiter.${named('budget', budget)}.${verb}`,
  actor: (name: string): string => `actors.${named('actor', name)}`,
  /** An endpoint of a service; `rest` are tokens or wildcards. */
  endpoint: (verb: string, ...rest: readonly string[]): string => [verb, ...rest].join('.'),
} as const;

export const buckets = {
  tasks: 'tasks',
  groups: 'groups',
  crons: 'crons',
  gates: 'gates',
  limits: 'limits',
  cache: 'cache',
} as const;

/** What a delivery's subject says of its task. `undefined` for a subject that no `subjects.work` made. */
export const parseWork = (
  subject: string,
): { readonly route: Route; readonly type: string; readonly id: string; readonly key: string } | undefined => {
  const [, , pool, lane, partition, type, id, ...more] = subject.split('.');
  if (pool === undefined || partition === undefined || type === undefined || id === undefined) return undefined;
  if (more.length > 0 || !isLane(lane) || !/^\d{1,4}$/.test(partition)) return undefined;
  if (!isToken(pool) || !isToken(type) || !isEncodedId(id)) return undefined;
  return { route: { pool, lane, partition }, type, id: decodeId(id), key: `${type}.${id}` };
};

/** The key alone, as far as it is one: what `parseWork` has not looked at yet. */
export const keyOfWork = (subject: string): string =>
  subject.slice(subject.lastIndexOf('.', subject.lastIndexOf('.') - 1) + 1);

/** First tokens of what carries tasks, records and orders; what begins with `$` is the server's. */
const roots: ReadonlySet<string> = new Set([
  'tasks',
  'work',
  'sched',
  'due',
  'dlq',
  'results',
  'tokens',
  'ctl',
  'actors',
  'nodes',
]);

/**
 * Whether an answer may go there. Whoever asks names the subject, and may have less of a right to it than we have: an
 * answer to `$KV.tasks.<key>` would be a record.
 */
export const isAnswerable = (reply: string): boolean =>
  reply.length <= replyCharsMax && !reply.startsWith('$') && !roots.has(reply.split('.', 1)[0] ?? '');

/** A server hangs up on who publishes to a subject of some 4 KB. */
const replyCharsMax = 512;

export const isLane = (lane: string | undefined): lane is Lane =>
  lane === 'high' || lane === 'normal' || lane === 'low';
