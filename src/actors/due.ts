/** What falls due in SCHED: moved into its pool's stream, and only then taken out of SCHED. */
import type { Delivery } from '../bus/queue.ts';
import { isToken, parseWork, streams, subjects } from '../bus/subjects.ts';
import { NotFoundError, RefusedError } from '../kernel/errors.ts';
import { isUnanswered } from '../kernel/unanswered.ts';
import { inputBytesMax } from '../task/json.ts';
import { carriedHeaders, header } from '../task/headers.ts';
import { inputHashOf } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';
import { publishOnce } from '../task/publish.ts';
import { settleStranger } from '../task/stranger.ts';
import { later } from './later.ts';

/** Before the message that has set a timer is looked for again. */
const ackedMs = 1_000;
/** The next delivery goes on asking: until then it would keep others from theirs. */
const giveUpAfterMs = 1_000;

interface Due {
  readonly stream: string;
  readonly subject: string;
}

/** `due.task.<region>.<pool>.<lane>.<partition>.<type>.<id>`; the region is the submitter's, whoever moves it. */
const parse = (subject: string): Due | undefined => {
  const [, , region = '', ...rest] = subject.split('.');
  const parsed = parseWork(['work', region, ...rest].join('.'));
  if (!parsed || !isToken(region)) return undefined;
  const { route, key } = parsed;
  return { stream: streams.work(region, route.pool), subject: subjects.work(region, route, key) };
};

/** Settles one task that has fallen due. */
export const fromDue = (ports: TaskPorts) => {
  const laterMs = later(ports.clock);
  return async (delivery: Delivery): Promise<void> => {
    const due = parse(delivery.subject);
    if (!due) return settleStranger(ports, delivery);
    if (delivery.data.length > inputBytesMax) return settleStranger(ports, delivery, tooLarge);
    try {
      const headers = carriedHeaders(delivery.headers);
      const outcome = await publishOnce(ports, due.subject, delivery.data, { headers, giveUpAfterMs });
      if (outcome === 'stored' || (await isThisOne(ports, due, delivery))) delivery.ack();
      else delivery.nak(ackedMs); // The message that set this timer has yet to be acked.
    } catch (error) {
      if (!(error instanceof RefusedError || isUnanswered(error))) throw error;
      if (await isNowhere(ports, due)) return settleStranger(ports, delivery, noPool);
      ports.log.debug({ err: error, stream: due.stream }, 'what is due waits for its pool');
      delivery.nak(laterMs());
    }
  };
};

const tooLarge = {
  reason: 'payload_too_large',
  message: `more than ${inputBytesMax} bytes, which no pool takes`,
} as const;
const noPool = { reason: 'unknown_pool', message: 'there is no such pool, and never was' } as const;

/** Whether its pool has no stream. One that an app has given up has kept its stream. */
const isNowhere = async ({ queue }: Pick<TaskPorts, 'queue'>, { stream }: Due): Promise<boolean> => {
  try {
    await queue.streamInfo(stream);
    return false;
  } catch (error) {
    return error instanceof NotFoundError; // Nobody knows it now: asked again at the next delivery.
  }
};

/**
 * Whether the task that its pool holds is what fell due: moved before, by someone whose ack was lost, or the same one
 * submitted twice. Another one under its id is waited for: what becomes of this then is for a worker to say.
 */
const isThisOne = async (ports: TaskPorts, { stream, subject }: Due, delivery: Delivery): Promise<boolean> => {
  const stored = await ports.queue.last(stream, subject);
  if (!stored) return false;
  const resume = delivery.headers[header.resume];
  return resume === undefined
    ? inputHashOf(stored) === inputHashOf(delivery)
    : stored.headers[header.resume] === resume;
};
