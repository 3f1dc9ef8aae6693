/**
 * NATS with JetStream, in memory, for tests and simulations: driven by a clock and a seed alone, so that the same
 * seed is the same run, and no kinder than the real one. Everything arrives later, never in the caller's stack; reads
 * overtake writes that have no answer yet; what was on its way when a connection is cut is gone; and faults repeat,
 * lose and leave unanswered what tests or the seed choose.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';
import type { Blobs } from '../blobs.ts';
import type { Bus } from '../bus.ts';
import type { Queue } from '../queue.ts';
import { memoryBlobs } from './blobs.ts';
import { memoryBus } from './bus.ts';
import { type Client, client } from './client.ts';
import { type FaultRates, type Faults, faults } from './faults.ts';
import { lane, type Watch } from './link.ts';
import { memoryQueue } from './queue.ts';
import { server } from './server.ts';

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly faults?: FaultRates;
  /** Told of handlers that throw; without it what they throw is thrown on. */
  readonly log?: Log;
}

export interface MemoryConnection {
  readonly bus: Bus;
  readonly queue: Queue;
  readonly blobs: Blobs;
  /** What is on its way is lost, and nothing gets through until `heal`. */
  cut(): void;
  /** Nothing happens while the broker is stopped. */
  heal(): void;
}

export interface MemoryBroker extends Pick<Faults, 'setRates' | 'next'> {
  connect(): MemoryConnection;
  /**
   * All connections are cut; streams in memory, and settlements on their way, are lost. After a `crash` consumers
   * begin again with what was in hands, and count its deliveries anew.
   */
  stop(how?: { readonly crash?: boolean }): void;
  start(): void;
  /** Stops, and starts in a later turn. */
  restart(how?: { readonly crash?: boolean }): void;
  /** Grows with everything that passes a link or the broker: as long as it stands still, nothing goes on. */
  readonly activity: number;
}

export const memoryBroker = ({ clock, random, faults: rates = {}, log }: MemoryBrokerOptions): MemoryBroker => {
  const core = server(clock, random);
  const wrong = faults(random, rates);
  const clients = new Set<Client>();
  let running = true;
  let activity = 0;
  const watch: Watch = {
    ran: () => {
      activity += 1;
    },
    failed: (error) => {
      if (log) return log.error({ err: error }, 'a message was not handled');
      clock.immediate(() => {
        throw error;
      });
    },
  };
  const arrivals = lane(clock, watch);

  const connect = (): MemoryConnection => {
    const parts = { clock, random, faults: wrong, server: core, later: arrivals.push, watch, reachable: () => running };
    const made = client(parts);
    if (!running) made.cut();
    clients.add(made);
    made.listen((state) => state === 'closed' && clients.delete(made));
    const [bus, queue, blobs] = [memoryBus(made), memoryQueue(made), memoryBlobs(made)];
    return { bus, queue, blobs, cut: made.cut, heal: made.heal };
  };

  const stop: MemoryBroker['stop'] = ({ crash = false } = {}) => {
    if (!running) return;
    running = false;
    arrivals.clear();
    for (const each of clients) each.cut();
    core.stop(crash);
  };

  const start = (): void => {
    if (running) return;
    running = true;
    core.start();
    for (const each of clients) each.heal();
  };

  return {
    setRates: wrong.setRates,
    next: wrong.next,
    connect,
    stop,
    start,
    restart: (how) => {
      stop(how);
      clock.immediate(start);
    },
    get activity() {
      return activity;
    },
  };
};
