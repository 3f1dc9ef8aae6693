/** A message in a pool's stream that no door of Troupe's put there: its subject names no task. */
import type { Delivery } from '../bus/queue.ts';
import { encodeId, subjects } from '../bus/subjects.ts';
import { encodeLetter } from './dead-letter.ts';
import { carriedHeaders } from './message.ts';
import type { TaskPorts } from './ports.ts';
import { publishOnce } from './publish.ts';

export const settleStranger = async (ports: TaskPorts, delivery: Delivery): Promise<void> => {
  const message = `subject "${delivery.subject}" names no task; submit through tasks.<type> or submit.<type>`;
  const body = encodeLetter({
    reason: 'invalid_name',
    error: { code: 'invalid_name', message },
    input: new TextDecoder().decode(delivery.data),
    headers: carriedHeaders(delivery.headers),
    deadAt: new Date(ports.queue.now()).toISOString(),
  });
  // The same at each delivery, and another one in a stream that was made anew.
  const key = `unknown.${encodeId(`${delivery.stream}-${delivery.seq}-${delivery.at}`)}`;
  await publishOnce(ports, subjects.dlq('unknown', 'invalid_name', key), body);
  ports.metrics.badInput.labels('invalid_name').inc();
  delivery.term('invalid_name');
};
