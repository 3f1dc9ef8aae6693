/** How long one task takes, two hundred of them a second: until its handler runs, until its result is back. */
import type { Figure, Figures } from './figures.ts';
import type { RawJob } from './raw-loop.ts';
import { runScript, startScript } from './script.ts';
import { startNode, withNats } from './servers.ts';
import type { Latencies, ProducerJob } from './troupe-producer.ts';
import { percentile, steadyPerSecond } from './work.ts';

export interface LatencyOptions {
  readonly rounds: number;
  readonly say: (what: string) => void;
}

/** Two seconds for the code to be compiled, then ten that count. */
const warmUp = 2 * steadyPerSecond;
const tasks = warmUp + 10 * steadyPerSecond;

export const latency = async ({ latency: to }: Figures, { rounds, say }: LatencyOptions): Promise<void> => {
  const note = (what: string, ms: readonly number[], percentiles: readonly (readonly [number, Figure])[]): void => {
    for (const [share, figure] of percentiles) {
      const value = percentile(ms.slice(warmUp), share);
      say(`latency, ${what}, p${share * 100}: ${value.toFixed(2)} ms`);
      figure.rounds.push(value);
    }
  };
  for (let round = 1; round <= rounds; round++) {
    note(`round ${round}, raw, publish to delivery`, await raw(), [
      [0.5, to.raw_p50_ms],
      [0.99, to.raw_p99_ms],
    ]);
    const { startMs, resultMs } = await troupe();
    note(`round ${round}, Troupe, submit to start`, startMs, [
      [0.5, to.troupe_p50_ms],
      [0.99, to.troupe_p99_ms],
    ]);
    note(`round ${round}, Troupe, submit to result`, resultMs, [[0.5, to.result_p50_ms]]);
  }
};

const raw = (): Promise<readonly number[]> =>
  withNats('lazy', async ({ url }) => {
    await runScript<RawJob, number>('raw-loop', { does: 'publish', url, warmUp: 0, tasks: 0 });
    const worker = startScript<RawJob, readonly number[]>('raw-loop', { does: 'work', url, tasks });
    try {
      await worker.ready;
      await runScript<RawJob, undefined>('raw-loop', { does: 'pace', url, tasks });
      return await worker.result;
    } finally {
      await worker.kill();
    }
  });

const troupe = (): Promise<Latencies> =>
  withNats('lazy', async ({ url }, dir) => {
    const node = await startNode({ nats: url, database: 'none', dir });
    try {
      return await runScript<ProducerJob, Latencies>('troupe-producer', { does: 'pace', url, tasks });
    } finally {
      await node.kill('SIGKILL');
    }
  });
