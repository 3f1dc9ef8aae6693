/** Streams: made once, brought up to their spec ever after, every limit said outright. */
import { RefusedError } from '../../kernel/errors.ts';
import { ifFound } from '../../kernel/found.ts';
import type { Random } from '../../kernel/random.ts';
import type { StreamInfo, StreamSpec } from '../queue.ts';
import type { Api } from './api.ts';
import { type Config, changed, describeChanges } from './config.ts';

/**
 * Of no use to us and in the way: it would take two tasks of different types for one if they share an id. It
 * cannot be off, so it is as short as the server allows.
 */
const duplicateWindowNs = 100_000_000;
/** Tails count too, one each for whoever follows a run. Idle, ten thousand take 370 MB of the server's memory. */
const consumersMost = 10_000;

const incarnationKey = 'troupe.incarnation';

interface StreamConfig extends Config {
  readonly name: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

interface NamesAnswer {
  readonly streams: readonly string[] | null;
  readonly total: number;
}

interface InfoAnswer {
  readonly config: StreamConfig;
  readonly created: string;
  readonly state: { readonly messages: number; readonly bytes: number; readonly last_seq: number };
}

export interface Streams {
  ensure(spec: StreamSpec): Promise<StreamInfo>;
  info(stream: string): Promise<StreamInfo>;
  taking(filter: string): Promise<readonly string[]>;
}

export const streamsOf = (
  api: Api,
  { now, random }: { readonly now: () => number; readonly random: Random },
): Streams => {
  const read = (stream: string): Promise<InfoAnswer> => api(`STREAM.INFO.${stream}`);

  const existing = (stream: string): Promise<InfoAnswer | undefined> => ifFound(read(stream));

  const create = async (spec: StreamSpec): Promise<InfoAnswer | undefined> => {
    try {
      const metadata = { [incarnationKey]: incarnation(now(), random) };
      return await api(`STREAM.CREATE.${spec.name}`, { ...configOf(spec), metadata });
    } catch (error) {
      // Somebody else was faster, or it is refused for what it is: in that case it is not there now either.
      if (error instanceof RefusedError && (await existing(spec.name))) return undefined;
      throw error;
    }
  };

  const update = async (before: InfoAnswer, spec: StreamSpec): Promise<InfoAnswer> => {
    const wanted = configOf(spec);
    const named = before.config.metadata?.[incarnationKey] !== undefined;
    if (named && changed(before.config, wanted).length === 0) return before;
    const metadata = { ...before.config.metadata, [incarnationKey]: incarnationOf(before) };
    try {
      return await api(`STREAM.UPDATE.${spec.name}`, { ...before.config, ...wanted, metadata });
    } catch (cause) {
      if (!(cause instanceof RefusedError)) throw cause;
      const changes = describeChanges(before.config, wanted);
      throw new RefusedError(`stream ${spec.name} cannot be changed (${changes}): ${cause.message}`, { cause });
    }
  };

  return {
    ensure: async (spec) => {
      const before = await existing(spec.name);
      if (before) return infoOf(await update(before, spec));
      const made = await create(spec);
      return infoOf(made ?? (await update(await read(spec.name), spec)));
    },
    info: async (stream) => infoOf(await read(stream)),
    taking: async (filter) => {
      const names: string[] = [];
      for (;;) {
        const { streams, total } = await api<NamesAnswer>('STREAM.NAMES', { subject: filter, offset: names.length });
        names.push(...(streams ?? []));
        if (!streams?.length || names.length >= total) return names;
      }
    },
  };
};

const infoOf = (answer: InfoAnswer): StreamInfo => ({
  name: answer.config.name,
  incarnation: incarnationOf(answer),
  lastSeq: answer.state.last_seq,
  messages: answer.state.messages,
  bytes: answer.state.bytes,
  maxBytes: Number(answer.config['max_bytes'] ?? -1),
});

/** In the order of their making, when compared as text. */
const incarnation = (ms: number, random: Random): string =>
  sortable(ms) +
  Math.floor(random.next() * 36 ** 4)
    .toString(36)
    .padStart(4, '0');

const sortable = (ms: number): string => Math.floor(ms).toString(36).padStart(9, '0');

/** A stream that somebody else has made is known by its birth. */
const incarnationOf = ({ config, created }: InfoAnswer): string =>
  config.metadata?.[incarnationKey] ?? `${sortable(Date.parse(created))}0000`;

const configOf = (spec: StreamSpec): StreamConfig => ({
  name: spec.name,
  subjects: spec.subjects,
  storage: spec.storage ?? 'file',
  // Where nothing is asked for, an operator may have.
  ...(spec.description !== undefined && { description: spec.description }),
  ...(spec.replicas !== undefined && { num_replicas: spec.replicas }),
  max_consumers: consumersMost,
  max_msgs: spec.schedules ? -1 : (spec.maxMessages ?? -1),
  max_bytes: spec.maxBytes ?? -1,
  max_msg_size: spec.maxMsgBytes ?? -1,
  max_age: 0,
  max_msgs_per_subject: -1,
  duplicate_window: duplicateWindowNs,
  allow_direct: true,
  ...keeping(spec),
});

const keeping = (spec: StreamSpec): Config => {
  switch (spec.keep) {
    case 'work':
      // With schedules the server knows but one answer to a full stream, to drop the oldest: so it has no limits.
      return spec.schedules
        ? { retention: 'workqueue', discard: 'old', max_bytes: -1, allow_msg_schedules: true }
        : { retention: 'workqueue', discard: 'new' };
    case 'limits':
      return { retention: 'limits', discard: 'old', max_age: (spec.maxAgeMs ?? 0) * 1_000_000 };
    case 'last':
      // As `nats kv add` makes it, so that `nats kv` reads it. No delete markers: after one that a TTL left, a create fails.
      return {
        retention: 'limits',
        discard: 'new',
        max_msgs_per_subject: 1,
        allow_rollup_hdrs: true,
        deny_delete: true,
        allow_msg_ttl: true,
      };
  }
};
