/**
 * The history, for nodes that have no database of their own: one that has answers. Rows go as JSON; what does not fit one
 * message is an error, as it is for whoever asks a door.
 */
import { z } from 'zod';
import type { Bus, Message } from '../bus/bus.ts';
import { decodeAs, encodeJson } from '../bus/json.ts';
import { subjects } from '../bus/subjects.ts';
import { summarise } from '../kernel/error.ts';
import { UnavailableError } from '../kernel/errors.ts';
import { portions } from '../kernel/portions.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import type { Store, TaskName } from '../store/store.ts';

type History = Pick<Store, 'task' | 'countByStatus' | 'endedBefore'>;

const text = z.string();
/** A key that is always there, if only as undefined. */
const maybe = text.optional().transform((value) => value);
const named = z.object({ type: text, id: text });

const row = named.extend({
  incarnation: text,
  revision: z.number(),
  pool: text,
  lane: text,
  key: maybe,
  tenant: maybe,
  group: maybe,
  title: maybe,
  status: text,
  reason: maybe,
  attempt: z.number(),
  failures: z.number(),
  worker: maybe,
  inputHash: maybe,
  input: maybe,
  result: maybe,
  error: maybe,
  waiting: maybe,
  usage: maybe,
  parent: maybe,
  redriveOf: maybe,
  deadline: maybe,
  createdAt: text,
  startedAt: maybe,
  finishedAt: maybe,
  steps: z.array(
    z.object({ name: text, key: text, position: z.number(), result: maybe, at: text, ms: z.number() }).readonly(),
  ),
});

const question = z.discriminatedUnion('about', [
  named.extend({ about: z.literal('task') }),
  z.object({ about: z.literal('counts'), tasks: z.array(named.extend({ since: text.exactOptional() })) }),
  z.object({ about: z.literal('ended'), tasks: z.array(named), before: text }),
]);
type Question = z.infer<typeof question>;

const answers = {
  task: z.object({ row: row.nullable() }),
  counts: z.object({ counts: z.record(text, z.number()) }),
  ended: z.object({ ended: z.array(named) }),
};
const failed = z.object({ failed: text });

/** Of nodes that have a database, one gets each question. */
const queue = 'history';
/** Tasks that one question may be about, but for the one that is about a single one. */
const askedAtOnce = 1_000;

/** Answers those who have no database. */
export const answerHistory =
  ({ bus, store }: { readonly bus: Bus; readonly store: History }): Start =>
  (signal) => {
    const answer = async ({ data, reply = '' }: Message): Promise<void> => {
      const asked = decodeAs(question, data);
      if (!asked || reply === '') return;
      try {
        bus.publish(reply, encodeJson(await answerOf(store, asked)));
      } catch (error) {
        bus.publish(reply, encodeJson({ failed: summarise(error).message } satisfies z.infer<typeof failed>));
      }
    };
    const receive = (message: Message): void => {
      void answer(message).catch(() => undefined); // The connection is closed: somebody else is asked then.
    };
    const subscription = bus.subscribe(subjects.history, receive, { queue });
    return Promise.resolve({ exit: aborted(signal).then(() => subscription.unsubscribe()) });
  };

const answerOf = async (store: History, asked: Question): Promise<object> => {
  switch (asked.about) {
    case 'task':
      return { row: (await store.task(asked.type, asked.id)) ?? null };
    case 'counts':
      return { counts: await store.countByStatus(asked.tasks) };
    case 'ended':
      return { ended: await store.endedBefore(asked.tasks, asked.before) };
  }
};

/** Asks those who have one. Throws `UnavailableError` where nobody has, or theirs does not answer, and `TimeoutError`. */
export const historyElsewhere = (bus: Pick<Bus, 'request'>): History => {
  const ask = async <Answer extends z.ZodType>(asked: Question, of: Answer): Promise<z.output<Answer>> => {
    const { data } = await bus.request(subjects.history, encodeJson(asked)).catch((cause: unknown) => {
      throw new UnavailableError('this node has no database (DATABASE_URL=none), and no other node answers for it', {
        cause,
      });
    });
    const answer = decodeAs(of, data);
    if (answer !== undefined) return answer;
    throw new UnavailableError(
      `the history, at another node: ${decodeAs(failed, data)?.failed ?? 'an answer that cannot be read'}`,
    );
  };

  return {
    task: async (type, id) => (await ask({ about: 'task', type, id }, answers.task)).row ?? undefined,
    countByStatus: async (tasks) => {
      const sum: Record<string, number> = {};
      for (const some of portions(tasks, askedAtOnce)) {
        const { counts } = await ask({ about: 'counts', tasks: some }, answers.counts);
        for (const [status, count] of Object.entries(counts)) sum[status] = (sum[status] ?? 0) + count;
      }
      return sum;
    },
    endedBefore: async (tasks, before) => {
      const all: TaskName[] = [];
      for (const some of portions(tasks, askedAtOnce))
        all.push(...(await ask({ about: 'ended', tasks: some, before }, answers.ended)).ended);
      return all;
    },
  };
};
