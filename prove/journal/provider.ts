/** The model's provider: a process of its own, with a log by the clock that nats-server dates its messages by. */
import { startModelServer } from '../../src/dev/model-server.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { jobOf, say } from '../process.ts';

export interface ServiceJob {
  readonly latencyMs: number;
  /** A file. */
  readonly log: string;
  readonly seed: number;
}

const { latencyMs, log, seed } = jobOf<ServiceJob>();
const server = await startModelServer({ latencyMs, log, seed, clock: { ...systemClock, monotonic: Date.now } });
say('ready', server.url);
