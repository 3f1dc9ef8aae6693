/** What happens to all tasks, from now on, as it is announced: a hint, bounded in what it keeps for a slow reader. */
import type { Message } from '../bus/bus.ts';
import { named, splitTaskKey, subjects } from '../bus/subjects.ts';
import { MailboxFullError } from '../kernel/errors.ts';
import { mailbox } from '../kernel/mailbox.ts';
import { header } from '../task/headers.ts';
import { decodeRecord, isTerminal } from '../task/record.ts';
import { statusOf } from '../task/status.ts';
import type { Core, Life } from './core.ts';
import { leaving } from './leaving.ts';
import { decodeToken, endOf } from './story.ts';
import type { ClientEvent, EventFilter } from './types.ts';

/** Kept for a reader; what comes on top of it is dropped. */
const unreadMost = 10_000;

export const clientEvents = (core: Core, filter: EventFilter): AsyncGenerator<ClientEvent> =>
  leaving(core, filter.abortSignal, (begin) => eventsOf(core, filter, begin));

async function* eventsOf(core: Core, { type, tenant }: EventFilter, begin: () => Life): AsyncGenerator<ClientEvent> {
  const { bus } = core.ports;
  const life = begin();
  const seen = mailbox<Message>(life.signal, { capacity: unreadMost });
  const keep = (message: Message): void => {
    try {
      seen.push(message);
    } catch (error) {
      if (!(error instanceof MailboxFullError)) throw error;
    }
  };
  const of = `${type === undefined ? '*' : named('task type', type)}.*`;
  const subscriptions = [subjects.tokens(of), subjects.results(of)].map((subject) => bus.subscribe(subject, keep));
  let n = 0;
  try {
    for await (const message of seen) {
      const event = await decoded(core, message, tenant);
      if (event) yield { ...event, n: n++ };
    }
  } finally {
    life.end();
    for (const subscription of subscriptions) subscription.unsubscribe();
  }
}

const decoded = async (
  core: Core,
  { subject, data, headers }: Message,
  tenant: string | undefined,
): Promise<ClientEvent | undefined> => {
  const dot = subject.indexOf('.');
  const { type: task, id } = splitTaskKey(subject.slice(dot + 1));
  if (subject.startsWith('tokens.')) {
    const token = decodeToken(data);
    if (!token || (tenant !== undefined && headers[header.tenant] !== tenant)) return undefined;
    return { task, id, ...token, n: 0, at: new Date(token.at) };
  }
  const record = decodeRecord(data);
  if (!record || !isTerminal(record) || (tenant !== undefined && record.tenant !== tenant)) return undefined;
  const { attempt, finishedAt } = record;
  const at = new Date(finishedAt ?? core.ports.queue.now());
  return { task, id, n: 0, at, attempt, ...endOf(await statusOf(core.ports.blobs, record)) };
};
