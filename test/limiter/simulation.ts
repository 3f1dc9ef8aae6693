/**
 * A cluster in virtual time: nodes that stand by for a budget, processes that call a provider, and a bad day. Everything
 * is the real code but the wires, the clock and the provider, whose log is what counts.
 */
import { limiter, type LimiterOptions } from '../../src/actors/limiter.ts';
import { memoryBroker, type MemoryConnection } from '../../src/bus/memory/broker.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { type Amount, amountOf, type Budget } from '../../src/limiter/budget.ts';
import { permits, type OpenPermits } from '../../src/limiter/client.ts';
import type { Permit } from '../../src/limiter/permits.ts';
import { type Stoppable, stoppable } from './stoppable.ts';

export interface Arrival {
  readonly atMs: number;
  readonly amount: Amount;
  readonly tenant: string;
}

/** What a planted fault puts in the place of the real thing. */
export interface Plant {
  readonly limiter?: (options: LimiterOptions) => LimiterOptions;
  /** `sinceMs`: for how long the request has wanted to be sent. */
  readonly permit?: (permit: Permit, sinceMs: number) => Permit;
}

export interface SimulationOptions {
  readonly budget: Budget;
  readonly seed: number;
  readonly forMs: number;
  readonly faults: boolean;
  readonly plant?: Plant;
  readonly tokens?: (random: () => number) => number;
}

export interface Outcome {
  readonly arrivals: readonly Arrival[];
  readonly waits: ReadonlyMap<string, number>;
  /** What the limiter counts when all is over, and the longest unconfirmed time has passed. */
  readonly left: number;
  readonly epoch: number;
}

interface Machine extends Stoppable {
  readonly connection: MemoryConnection;
}

const nodes = 6;
const processes = 4;
const workersEach = 8;

export const simulate = async (options: SimulationOptions): Promise<Outcome> => {
  const { budget, seed, forMs, faults, plant = {} } = options;
  const clock = virtualClock();
  const random = seededRandom(seed);
  const broker = memoryBroker({ clock, random });
  // Longer than a window, across a takeover, is what the guarantee excepts (A2 of docs/limiter.md).
  const standstillMs = 0.6 * Math.min(...budget.windows.map(({ perMs }) => perMs));
  const arrivals: Arrival[] = [];
  const waits = new Map<string, number>();
  const life = new AbortController();

  const machine = (): Machine => {
    const connection = broker.connect();
    return { connection, ...stoppable(clock, connection) };
  };

  const setup = broker.connect();
  const made = setup.queue.ensureStream({
    name: 'KV_limits',
    subjects: ['$KV.limits.>'],
    keep: 'last',
    maxBytes: 1e7,
  });
  await clock.advance(20);
  await made;

  const standBy = Array.from({ length: nodes }, (_, index) => {
    const each = machine();
    const { bus, queue } = each;
    const own = { budget, bus, queue, clock: each.clock, random, log, metrics: createMetrics() };
    const settings = { ...own, node: `n${index}`, version: '1.0.0' };
    void limiter(plant.limiter?.(settings) ?? settings)(life.signal); // Ends with the simulation.
    return each;
  });

  const standStill = (on: Machine): Promise<void> => {
    on.stopFor(random.next() * standstillMs);
    return on.running();
  };

  /** Whether it was sent. */
  const call = async (permit: Permit, amount: Amount, tenant: string, on: Machine): Promise<boolean> => {
    if (faults && random.next() < 0.01) await standStill(on);
    if (!permit.inTime()) {
      permit.unsent();
      await on.clock.sleep(100);
      return false;
    }
    // Between the check and the write: the worst place to be stopped at.
    if (faults && random.next() < 0.01) await standStill(on);
    const travelMs = random.next() * 20;
    const used = amountOf(Math.ceil(amount.tokens * (0.3 + 0.7 * random.next())), 0);
    // A provider that counts what was really used, as of when the request came.
    clock.timer(travelMs, () => arrivals.push({ atMs: clock.monotonic(), amount: used, tenant }));
    permit.sent();
    await on.clock.sleep(travelMs + 50 + random.next() * 400);
    permit.heard();
    permit.settle(random.next() < 0.8 ? used : undefined);
    return true;
  };

  const work = async (asker: OpenPermits, on: Machine, tenant: string): Promise<void> => {
    for (let sinceMs = on.clock.monotonic(); !life.signal.aborted; ) {
      const amount = amountOf(Math.ceil((options.tokens ?? (() => 100))(random.next)), 0);
      const wanted = {
        amount,
        lane: 'normal',
        tenant,
        maxWaitMs: 600_000,
        holdMs: 10_000,
        signal: life.signal,
      } as const;
      const stops = on.stops();
      const permit = await asker.acquire(budget.name, wanted).catch(() => undefined);
      if (!permit) return;
      if (on.stops() === stops) waits.set(tenant, Math.max(waits.get(tenant) ?? 0, permit.waitedMs));
      const held = plant.permit?.(permit, on.clock.monotonic() - sinceMs) ?? permit;
      if (await call(held, amount, tenant, on)) sinceMs = on.clock.monotonic();
    }
  };

  const askers = Array.from({ length: processes }, () => {
    const on = machine();
    const asker = permits({ bus: on.bus, clock: on.clock, random, log, budgets: new Map([[budget.name, budget]]) });
    for (let index = 0; index < workersEach; index += 1) void work(asker, on, `tenant${index % 4}`); // Ends with `life`.
    return asker;
  });

  const status = async (): Promise<{ readonly node: string; readonly epoch: number; readonly used: number }> => {
    const asked = setup.bus.request(`limiter.${budget.name}.status`, Buffer.from('null')).catch(() => undefined);
    await clock.advance(20);
    const answer = await Promise.race([asked, clock.settle().then(() => undefined)]);
    if (!answer) return { node: '', epoch: 0, used: Number.NaN };
    const said = JSON.parse(Buffer.from(answer.data).toString());
    const used = said.windows.reduce((sum: number, window: { readonly used: number }) => sum + window.used, 0);
    return { node: said.node, epoch: said.epoch, used: used + said.unconfirmed };
  };

  const harm = async (): Promise<void> => {
    const { node } = await status();
    const holder = standBy[Number(node.slice(1))];
    if (!holder) return;
    const forHowLongMs = 3_000 + random.next() * 3_000;
    if (random.next() < 0.5) holder.stopFor(forHowLongMs);
    else {
      holder.connection.cut();
      clock.timer(forHowLongMs, () => holder.connection.heal());
    }
  };

  for (let nextMs = 0; clock.monotonic() < forMs; ) {
    nextMs = 5_000 + random.next() * 5_000;
    await clock.advance(Math.min(nextMs, forMs - clock.monotonic()));
    if (faults) await harm();
  }
  const { epoch } = await status();
  // The workers end; the nodes go on until nothing can count any more.
  const ended = Promise.all(askers.map((asker) => asker.close()));
  // One of their processes may stand still just then.
  await clock.advance(standstillMs + 5_000);
  await ended;
  await clock.advance(320_000);
  const { used } = await status();
  life.abort();
  await clock.advance(10_000);
  return { arrivals, waits, left: used, epoch };
};
