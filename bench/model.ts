/** What `ctx.model` adds to a call: permit, journal and all, with a model that takes no time itself. */
import { createClient } from 'troupe';
import type { Figures } from './figures.ts';
import app from './model-app.ts';
import { startNode, withNats } from './servers.ts';
import { percentile } from './work.ts';

export interface ModelOptions {
  readonly rounds: number;
  readonly say: (what: string) => void;
}

/** The first is for the code to be compiled. */
const tasks = 26;

export const model = async ({ model: to }: Figures, { rounds, say }: ModelOptions): Promise<void> => {
  for (let round = 1; round <= rounds; round++) {
    const { bareMs, troupeMs } = await compared();
    const [bare, troupe] = [percentile(bareMs, 0.5), percentile(troupeMs, 0.5)];
    say(`a model's call, round ${round}: p50 ${bare.toFixed(2)} ms as it is, ${troupe.toFixed(2)} ms by ctx.model`);
    to.bare_p50_ms.rounds.push(bare);
    to.troupe_p50_ms.rounds.push(troupe);
    to.added_p50_ms.rounds.push(troupe - bare);
  }
};

const compared = (): Promise<{ readonly bareMs: readonly number[]; readonly troupeMs: readonly number[] }> =>
  withNats('lazy', async ({ url }, dir) => {
    const node = await startNode({ nats: url, database: 'none', dir, app: 'model-app.ts' });
    const client = await createClient({ nats: url, app });
    try {
      const all = { bareMs: [] as number[], troupeMs: [] as number[] };
      for (let index = 0; index < tasks; index += 1) {
        const run = await client.submit('compare', { round: index });
        const { bareMs, troupeMs } = await run.result();
        if (index === 0) continue;
        all.bareMs.push(...bareMs);
        all.troupeMs.push(...troupeMs);
      }
      return all;
    } finally {
      await client.close();
      await node.kill('SIGKILL');
    }
  });
