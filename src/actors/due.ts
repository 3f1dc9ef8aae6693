/** What falls due in SCHED: moved into its pool's stream, and only then taken out of SCHED. */
import type { Delivery } from '../bus/queue.ts';
import { isLane, streams, subjects } from '../bus/subjects.ts';
import { RefusedError, TimeoutError, UnavailableError } from '../kernel/errors.ts';
import { carriedHeaders, header } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';
import { publishOnce } from '../task/publish.ts';

const laterMs = 1_000;
const giveUpAfterMs = 10_000;

interface Due {
  readonly pool: string;
  readonly subject: string;
}

/** `due.task.<region>.<pool>.<lane>.<partition>.<type>.<id>` */
const parse = (ports: Pick<TaskPorts, 'region'>, subject: string): Due | undefined => {
  const [, , , pool, lane, partition, type, id, ...more] = subject.split('.');
  if (pool === undefined || partition === undefined || !isLane(lane)) return undefined;
  if (type === undefined || id === undefined || more.length > 0) return undefined;
  return { pool, subject: subjects.work(ports.region, { pool, lane, partition }, `${type}.${id}`) };
};

/** Settles one task that has fallen due. */
export const fromDue =
  (ports: TaskPorts) =>
  async (delivery: Delivery): Promise<void> => {
    const due = parse(ports, delivery.subject);
    if (!due) {
      ports.metrics.badInput.labels('invalid_name').inc();
      ports.log.warn({ subject: delivery.subject }, 'what fell due names no task: dropped');
      return delivery.term('invalid_name');
    }
    try {
      const headers = carriedHeaders(delivery.headers);
      const outcome = await publishOnce(ports, due.subject, delivery.data, { headers, giveUpAfterMs });
      if (outcome === 'stored' || (await isThisOne(ports, due, delivery))) delivery.ack();
      else delivery.nak(laterMs); // The message that set this timer has yet to be acked.
    } catch (error) {
      if (!(error instanceof RefusedError || error instanceof TimeoutError || error instanceof UnavailableError))
        throw error;
      ports.log.debug({ err: error, pool: due.pool }, 'what is due waits for its pool');
      delivery.nak(laterMs);
    }
  };

/** Whether the task that its pool holds is what fell due: moved before, by someone whose ack was lost. */
const isThisOne = async (ports: TaskPorts, { pool, subject }: Due, delivery: Delivery): Promise<boolean> => {
  const stored = await ports.queue.last(streams.work(ports.region, pool), subject);
  if (!stored) return false;
  const resume = delivery.headers[header.resume];
  return resume === undefined || stored.headers[header.resume] === resume;
};
