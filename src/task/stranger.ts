/** A message that no door of Troupe's put where it is, and that names no task: it becomes a dead letter as it stands. */
import type { Delivery, Stored } from '../bus/queue.ts';
import { encodeId, subjects } from '../bus/subjects.ts';
import { encodeLetter } from './dead-letter.ts';
import { carriedHeaders } from './headers.ts';
import type { TaskPorts } from './ports.ts';
import { publishOnce } from './publish.ts';

export interface Strangeness {
  readonly reason: 'invalid_name' | 'payload_too_large' | 'unknown_pool' | 'no_timer';
  /** What is wrong with it; its subject is told in any case. */
  readonly message: string;
}

const nameless: Strangeness = {
  reason: 'invalid_name',
  message: 'it names no task; submit through tasks.<type> or submit.<type>',
};

/** Writes its letter, once however often it is asked to. */
export const writeStranger = async (
  ports: Pick<TaskPorts, 'queue' | 'clock' | 'random'>,
  { stream, subject, seq, at, data, headers }: Stored,
  { reason, message }: Strangeness,
): Promise<void> => {
  const body = encodeLetter({
    reason,
    error: { code: reason, message: `subject "${subject}": ${message}` },
    input: new TextDecoder().decode(data),
    headers: carriedHeaders(headers),
    deadAt: new Date(ports.queue.now()).toISOString(),
  });
  // The same at each delivery, and another one in a stream that was made anew.
  const key = `unknown.${encodeId(`${stream}-${seq}-${at}`)}`;
  await publishOnce(ports, subjects.dlq('unknown', reason, key), body);
};

export const settleStranger = async (
  ports: Pick<TaskPorts, 'queue' | 'clock' | 'random' | 'log' | 'metrics'>,
  delivery: Delivery,
  strangeness = nameless,
): Promise<void> => {
  await writeStranger(ports, delivery, strangeness);
  const { reason } = strangeness;
  ports.metrics.badInput.labels(reason).inc();
  ports.log.warn({ stream: delivery.stream, seq: delivery.seq, reason }, 'a message of no task was dead-lettered');
  delivery.term(reason);
};
