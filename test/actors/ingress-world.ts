/** The inbox and SCHED of a small app, read one message at a time. */
import { z } from 'zod';
import { fromCron } from '../../src/actors/cron.ts';
import { fromDue } from '../../src/actors/due.ts';
import { fromInbox } from '../../src/actors/ingress.ts';
import { madeId } from '../../src/task/made-id.ts';
import { admission } from '../../src/app/admission.ts';
import { defineApp } from '../../src/app/app.ts';
import { registry } from '../../src/app/registry.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { defineTask } from '../../src/app/task.ts';
import type { Headers } from '../../src/bus/bus.ts';
import type { Delivery } from '../../src/bus/queue.ts';
import { bytes, open, type WorldOptions } from '../task/world.ts';

const mail = defineTask({ name: 'mail', input: z.object({ to: z.string() }), deadline: '1h', run: async () => {} });
const note = defineTask({
  name: 'note',
  pool: 'slow',
  lane: 'low',
  input: z.unknown(),
  id: () => 'one',
  run: async () => {},
});

export const ingressWorld = async (options?: WorldOptions) => {
  const world = await open(options);
  const { queue, ports } = world;
  const app = resolveApp(defineApp({ tasks: [mail, note], pools: { slow: {} } }));
  const admitting = admission(registry(app));
  const inbox = fromInbox({ ports, admission: admitting });
  const due = fromDue(ports);
  const cron = fromCron({ ports, admission: admitting });

  /** The next delivery of a consumer. */
  const next = (stream: string, consumer: string): Promise<Delivery> =>
    new Promise((resolve) => {
      queue.consume(stream, consumer, { deliver: resolve, ended: () => {} }).pull({ batch: 1, waitMs: 86_400_000 });
    });

  /** Publishes to the inbox as anybody may, and has it taken from there. */
  const post = async (type: string, body: string | Uint8Array, headers: Headers = {}): Promise<string> => {
    world.bus.publish(`tasks.${type}`, typeof body === 'string' ? bytes(body) : body, { headers });
    const delivery = await world.eventually(next('INBOX', 'ingress'));
    await world.eventually(inbox(delivery));
    await world.clock.settle();
    return madeId(delivery);
  };
  const left = async (stream: string) => (await queue.streamInfo(stream)).messages;
  const letters = async (): Promise<readonly string[]> => [...(await queue.subjects('DLQ', 'dlq.>')).keys()];
  return { ...world, inbox, due, cron, admitting, next, post, left, letters };
};
