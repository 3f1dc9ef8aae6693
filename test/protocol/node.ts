/** One node of a replay: the runtime as it is, on a link that can be interfered with, and that can die on the spot. */
import { onTestFinished } from 'vitest';
import type { ResolvedApp } from '../../src/app/resolved.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import type { Random } from '../../src/kernel/random.ts';
import { runtime } from '../../src/runtime.ts';
import type { Store } from '../../src/store/store.ts';
import { mortalClock } from '../../src/testing/mortal-clock.ts';
import { type Around, type Link, mortal } from './failpoints.ts';

/** A server, and the time that it lives in. */
export interface Ground {
  readonly clock: Clock;
  readonly random: Random;
  connect(name: string): Promise<Link>;
  /** The promise, while time goes on: by itself where it is real, or else driven until the promise has settled. */
  eventually<T>(promise: Promise<T>): Promise<T>;
  /** Before a question is asked again. */
  pause(): Promise<void>;
}

export interface Settings {
  readonly region: string;
  readonly ackWaitMs: number;
  readonly graceMs: number;
  readonly recordLifeMs: number;
  readonly queueBytes: number;
  readonly replicas: number;
}

export interface NodeOptions {
  readonly ground: Ground;
  readonly app: ResolvedApp;
  readonly store: Store;
  readonly settings: Settings;
}

export interface BootOptions {
  readonly around?: Around;
}

export const node = async (
  { ground, app, store, settings }: NodeOptions,
  name: string,
  { around = (link) => link }: BootOptions = {},
) => {
  const { clock, random, eventually } = ground;
  const connection = await ground.connect(name);
  const life = mortal(connection);
  const own = mortalClock(clock);
  const metrics = createMetrics();
  const { start, ports, doors } = runtime({
    ...around(life.link),
    ...settings,
    app,
    store,
    projects: true,
    version: '0.0.0',
    clock: own,
    random,
    log: silentLog,
    metrics,
    node: name,
  });
  const stopping = new AbortController();
  const { exit } = await eventually(start(stopping.signal));
  exit.catch(() => {}); // `stop` tells.
  let stopped: Promise<void> | undefined;

  const drain = async (): Promise<void> => {
    stopping.abort();
    await exit;
    doors.close();
    await connection.bus.close();
  };
  const stop = (): Promise<void> => {
    stopped ??= eventually(drain());
    return stopped;
  };
  /** Nothing of it runs any more, and nothing it had under way arrives. */
  const crash = (): void => {
    own.die();
    life.die();
    stopped = Promise.resolve();
    void connection.bus.close(); // Never rejects.
  };
  onTestFinished(stop);
  return { ports, doors, metrics, stop, crash };
};
