/** Reading stored messages: one by its sequence or subject from the leader, many at once from any replica. */
import type { Msg } from '@nats-io/nats-core';
import { RefusedError } from '../../kernel/errors.ts';
import { slots } from '../../kernel/slots.ts';
import type { Headers } from '../bus.ts';
import type { Stored } from '../queue.ts';
import { type Api, apiSubject } from './api.ts';
import { isNoMessage } from './errors.ts';
import { headersOf, noHeaders, parseHeaders, statuses, statusOf, statusText } from './headers.ts';
import type { Mux } from './mux.ts';

/** What the server gives at once. */
const subjectsMost = 1_024;
const requestBytesMost = 256 * 1_024;
/** Of one direct read, and so many of them for subjects at once: a server hangs up on who has 64 MB to come. */
const bytesAtOnce = 1024 * 1024;
const readsMost = 8;
/** Messages of one direct read, which seldom fill the bytes that it may bring. */
const batchMost = 4_096;
const pendingHeader = 'Nats-Num-Pending';

interface GetAnswer {
  readonly message: {
    readonly subject: string;
    readonly seq: number;
    readonly data?: string;
    readonly hdrs?: string;
    readonly time: string;
  };
}

interface SubjectsAnswer {
  readonly state: { readonly subjects?: Readonly<Record<string, number>> };
  readonly total?: number;
  readonly offset?: number;
  readonly limit?: number;
}

export interface Reads {
  get(stream: string, seq: number): Promise<Stored | undefined>;
  last(stream: string, subject: string): Promise<Stored | undefined>;
  /** The first message on a subject from a sequence on, from the leader. */
  next(stream: string, subject: string, seq: number): Promise<Stored | undefined>;
  lastOfEach(stream: string, subjects: readonly string[]): Promise<ReadonlyMap<string, Stored>>;
  from(stream: string, subject: string, seq: number): Promise<readonly Stored[]>;
  subjects(stream: string, filter: string): Promise<ReadonlyMap<string, number>>;
  purge(stream: string, filter: string): Promise<number>;
}

export const readsOf = (api: Api, requests: Mux): Reads => {
  const places = slots(readsMost);

  const fromLeader = async (stream: string, which: object): Promise<Stored | undefined> => {
    try {
      const { message } = await api<GetAnswer>(`STREAM.MSG.GET.${stream}`, which);
      return fromAnswer(stream, message);
    } catch (error) {
      if (isNoMessage(error)) return undefined;
      throw error;
    }
  };

  const directly = (stream: string, subjects: readonly string[], found: Map<string, Stored>): Promise<number> =>
    places.hold(() =>
      readDirect(requests, stream, {
        what: `read of ${subjects.length} subjects of ${stream}`,
        which: { multi_last: subjects },
        each: (stored) => found.set(stored.subject, stored),
      }),
    );

  /** What a read left is asked for anew, not from its end on: the next replica may be behind the one that answered it. */
  const lastOfChunk = async (stream: string, chunk: readonly string[], found: Map<string, Stored>): Promise<void> => {
    for (let left = chunk; (await directly(stream, left, found)) > 0; )
      left = left.filter((subject) => !found.has(subject));
  };

  return {
    get: (stream, seq) => fromLeader(stream, { seq }),
    last: (stream, subject) => fromLeader(stream, { last_by_subj: subject }),
    next: (stream, subject, seq) => fromLeader(stream, { seq, next_by_subj: subject }),

    lastOfEach: async (stream, subjects) => {
      const found = new Map<string, Stored>();
      await Promise.all(chunks(subjects).map((chunk) => lastOfChunk(stream, chunk, found)));
      return found;
    },

    from: (stream, subject, seq) => places.hold(() => readOn(requests, stream, subject, seq)),

    subjects: async (stream, filter) => {
      const counts = new Map<string, number>();
      for (let offset = 0; ; ) {
        const answer = await api<SubjectsAnswer>(`STREAM.INFO.${stream}`, { subjects_filter: filter, offset });
        const page = Object.entries(answer.state.subjects ?? {});
        for (const [subject, count] of page) counts.set(subject, count);
        offset += page.length;
        if (page.length === 0 || offset >= (answer.total ?? 0)) return counts;
      }
    },

    purge: async (stream, filter) => {
      const { purged } = await api<{ readonly purged: number }>(`STREAM.PURGE.${stream}`, { filter });
      return purged;
    },
  };
};

const readOn = async (requests: Mux, stream: string, subject: string, seq: number): Promise<readonly Stored[]> => {
  const found: Stored[] = [];
  await readDirect(requests, stream, {
    what: `read of ${subject} of ${stream}`,
    which: { seq, next_by_subj: subject, batch: batchMost },
    each: (stored) => found.push(stored),
  });
  return found;
};

interface DirectRead {
  readonly what: string;
  /** As the server documents it: a read that answers with several messages. */
  readonly which: object;
  each(stored: Stored): void;
}

/**
 * Reads stored messages from any replica, which may be behind. Resolves when all have come that one read may bring, with
 * how many it left; one at least comes, if there are any.
 */
export const readDirect = (requests: Mux, stream: string, { what, which, each }: DirectRead): Promise<number> =>
  new Promise((resolve, reject) => {
    const subject = apiSubject(`DIRECT.GET.${stream}`);
    const data = Buffer.from(JSON.stringify({ ...which, max_bytes: bytesAtOnce }));
    requests.send(
      { subject, data, prompt: true, nobody: 'there is no such stream, or nobody has it just now' },
      {
        answered: (message) => {
          const code = statusOf(message);
          if (code === 0) {
            each(fromDirect(message));
            return 'more';
          }
          if (code === statuses.endOfBatch) resolve(Number(headersOf(message)[pendingHeader]));
          else if (code === statuses.none) resolve(0);
          else reject(new RefusedError(`${what}: ${statusText(message)}`));
          return 'done';
        },
        failed: reject,
      },
    );
  });

/** At most so many subjects each, and no request that nears what the server takes in one message. */
const chunks = (subjects: readonly string[]): readonly (readonly string[])[] => {
  const all: string[][] = [];
  let chunk: string[] = [];
  let bytes = 0;
  for (const subject of subjects) {
    if (chunk.length === 0 || chunk.length >= subjectsMost || bytes + subject.length > requestBytesMost) {
      chunk = [];
      bytes = 0;
      all.push(chunk);
    }
    chunk.push(subject);
    bytes += subject.length;
  }
  return all;
};

const fromAnswer = (stream: string, { subject, seq, data, hdrs, time }: GetAnswer['message']): Stored => ({
  stream,
  subject,
  seq,
  data: Buffer.from(data ?? '', 'base64'),
  headers: hdrs === undefined ? noHeaders : parseHeaders(Buffer.from(hdrs, 'base64').toString('utf8')),
  at: Date.parse(time),
});

/** What the server adds to a direct answer, beside what is stored. */
const added = [
  'Nats-Stream',
  'Nats-Subject',
  'Nats-Sequence',
  'Nats-Time-Stamp',
  pendingHeader,
  'Nats-Last-Sequence',
  'Nats-UpTo-Sequence',
];

const fromDirect = (message: Msg): Stored => {
  const all = headersOf(message);
  const stored = {
    stream: all['Nats-Stream'] ?? '',
    subject: all['Nats-Subject'] ?? '',
    seq: Number(all['Nats-Sequence']),
    at: Date.parse(all['Nats-Time-Stamp'] ?? ''),
  };
  return { ...stored, data: message.data, headers: without(all) };
};

const without = (headers: Headers): Headers => {
  const rest: Record<string, string> = { ...headers };
  for (const name of added) delete rest[name];
  return rest;
};
