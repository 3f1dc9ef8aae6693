/** The provider: a process with a clock of its own that enforces the windows and logs what arrives, on a network that can be slow. */
import { startModelServer } from '../src/dev/model-server.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { seededRandom } from '../src/kernel/random.ts';
import { jobOf, machineMs, onOrder, say } from './process.ts';
import { startProxy } from './proxy.ts';
import type { Limit } from './windows.ts';

export interface ProviderJob {
  readonly limits: readonly Limit[];
  readonly latencyMs: number;
  readonly log: string;
  readonly seed: number;
}

export type ProviderOrder = { readonly type: 'delay'; readonly mostMs: number };

const { limits, latencyMs, log, seed } = jobOf<ProviderJob>();
const of = (which: Limit['unit']): readonly Limit[] => limits.filter(({ unit }) => unit === which);

const server = await startModelServer({
  limits: { requests: of('requests'), tokens: of('tokens') },
  latencyMs,
  log,
  seed,
  clock: { ...systemClock, monotonic: machineMs },
});
const proxy = await startProxy({ to: Number(new URL(server.url).port), random: seededRandom(seed) });
onOrder<ProviderOrder>(({ mostMs }) => proxy.delay(mostMs));
say('ready', `http://127.0.0.1:${proxy.port}/v1`);
