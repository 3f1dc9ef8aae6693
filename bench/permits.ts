/** Permits a second from one client process, and how long one takes, beside a bare request to an echo. */
import type { Figures } from './figures.ts';
import type { Asked, PermitJob } from './permit-loop.ts';
import { runScript, startScript } from './script.ts';
import { withNats } from './servers.ts';
import { percentile } from './work.ts';

export interface PermitsOptions {
  readonly rounds: number;
  readonly tasks: number;
  readonly say: (what: string) => void;
}

/** A task's worth of permits is over in a fifth of a second, in which neither contestant is warm. */
const perTask = 5;

export const permits = async (
  { permits: to }: Figures,
  { rounds, tasks: count, say }: PermitsOptions,
): Promise<void> => {
  for (let round = 1; round <= rounds; round++) {
    for (const [name, other, does] of [
      ['raw', 'echo', 'request'],
      ['troupe', 'limit', 'acquire'],
    ] as const) {
      const { perSecond, latencyMs } = await against(other, (url) => ({ does, url, count: count * perTask }));
      const p50 = percentile(latencyMs, 0.5);
      say(`permits, round ${round}, ${name}: ${Math.round(perSecond)} a second, p50 ${p50.toFixed(3)} ms one by one`);
      to[`${name}_per_s`].rounds.push(perSecond);
      to[`${name}_p50_ms`].rounds.push(p50);
    }
  }
};

const against = (does: 'echo' | 'limit', asking: (url: string) => PermitJob): Promise<Asked> =>
  withNats('lazy', async ({ url }) => {
    const other = startScript<PermitJob, undefined>('permit-loop', { does, url });
    try {
      await other.ready;
      return await runScript<PermitJob, Asked>('permit-loop', asking(url));
    } finally {
      await other.kill();
    }
  });
