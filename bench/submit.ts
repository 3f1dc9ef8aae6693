/** Tasks per second of one producer process, nobody working on them: many in one call, and a call for each. */
import type { BullJob } from './bullmq-loop.ts';
import type { Figures } from './figures.ts';
import type { RawJob } from './raw-loop.ts';
import { runScript } from './script.ts';
import { type Means, provision, withNats, withRedis } from './servers.ts';
import type { ProducerJob } from './troupe-producer.ts';
import type { Count, Sync } from './work.ts';

export interface SubmitOptions extends Count, Means {
  readonly rounds: number;
  readonly say: (what: string) => void;
}

export const submit = async (figures: Figures, options: SubmitOptions): Promise<void> => {
  const { rounds, redis, say } = options;
  const run = {
    raw: (sync: Sync) => raw(sync, options),
    troupe: (sync: Sync) => troupe(sync, 'submitMany', options),
    bullmq: redis ? (sync: Sync) => bullmq(sync, 'addBulk', options) : undefined,
    troupe_single: (sync: Sync) => troupe(sync, 'submit', options),
    bullmq_single: redis ? (sync: Sync) => bullmq(sync, 'add', options) : undefined,
  } as const;
  for (const sync of ['lazy', 'always'] as const) {
    for (let round = 1; round <= rounds; round++) {
      for (const name of ['raw', 'troupe', 'bullmq', 'troupe_single', 'bullmq_single'] as const) {
        const perSecond = await run[name]?.(sync);
        if (perSecond === undefined) continue;
        say(`submits/s, sync ${sync}, round ${round}, ${name}: ${Math.round(perSecond)}`);
        figures.submit[sync][name].rounds.push(perSecond);
      }
    }
  }
};

const raw = (sync: Sync, { warmUp, tasks }: Count): Promise<number> =>
  withNats(sync, ({ url }) => runScript<RawJob, number>('raw-loop', { does: 'publish', url, warmUp, tasks }));

const troupe = (sync: Sync, does: 'submitMany' | 'submit', { warmUp, tasks }: Count): Promise<number> =>
  withNats(sync, async ({ url }, dir) => {
    await provision({ nats: url, database: 'none', dir });
    return runScript<ProducerJob, number>('troupe-producer', { does, url, warmUp, tasks });
  });

const bullmq = (sync: Sync, does: 'addBulk' | 'add', { warmUp, tasks }: Count): Promise<number> =>
  withRedis(sync, (port) => runScript<BullJob, number>('bullmq-loop', { does, port, warmUp, tasks }));
