/** A message in a pool's stream that no door of Troupe's put there: its subject names no task. */
import type { Delivery } from '../bus/queue.ts';
import { encodeId, subjects } from '../bus/subjects.ts';
import { encodeJson } from './json.ts';
import type { TaskPorts } from './ports.ts';
import { publishOnce } from './publish.ts';

export const settleStranger = async (ports: TaskPorts, delivery: Delivery): Promise<void> => {
  const message = `subject "${delivery.subject}" names no task; submit through tasks.<type> or submit.<type>`;
  const body = encodeJson({
    reason: 'invalid_name',
    error: { code: 'invalid_name', message },
    input: new TextDecoder().decode(delivery.data),
    deadAt: new Date(ports.queue.now()).toISOString(),
  });
  const key = `unknown.${encodeId(`${delivery.stream}-${delivery.seq}`)}`;
  await publishOnce(ports, subjects.dlq('unknown', 'invalid_name', key), body);
  ports.metrics.badInput.labels('invalid_name').inc();
  delivery.term('invalid_name');
};
