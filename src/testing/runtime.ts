/**
 * An app under test: the runtime as it is, with the broker and the store in memory and a clock that stands still until
 * it is told to advance. Handlers run in this process, and no server is needed.
 */
import type { LanguageModel } from 'ai';
import { admission } from '../app/admission.ts';
import type { App } from '../app/app.ts';
import { registry } from '../app/registry.ts';
import { resolveApp } from '../app/resolve.ts';
import { didYouMean } from '../app/suggest.ts';
import { type MemoryBroker, memoryBroker } from '../bus/memory/broker.ts';
import { client } from '../client/client.ts';
import type { Client } from '../client/types.ts';
import { type Duration, toMs } from '../kernel/duration.ts';
import { ConfigurationError } from '../kernel/errors.ts';
import { silentLog } from '../kernel/log.ts';
import { seededRandom } from '../kernel/random.ts';
import { type VirtualClock, virtualClock } from '../kernel/virtual-clock.ts';
import type { Models } from '../llm/models.ts';
import { memoryStore } from '../store/memory.ts';
import { startNode } from './node.ts';

/** What makes one run of a test another than the last. */
export interface TestOptions {
  /** The same seed, the same ids and the same order of events; 1. */
  readonly seed?: number;
  /** What handlers find in `ctx.deps`, instead of what the app's `deps` would make. */
  readonly deps?: unknown;
  /** Instead of all providers of the models of these names. Any limit of their budgets is granted at once, and uncounted. */
  readonly models?: Readonly<Record<string, Exclude<LanguageModel, string>>>;
}

/** An app that runs, the client to use it with, and the clock that it runs on. */
export interface TestRuntime<A extends App = App> {
  readonly client: Client<A>;
  readonly clock: {
    /** Lets so much time pass: what falls due on the way happens, in order, before the promise resolves. */
    advance(by: Duration): Promise<void>;
    now(): Date;
  };
  /**
   * Resolves when nothing can run any more without time or a signal. What a handler awaits from outside (a file, a
   * socket) is not seen: await that yourself.
   */
  idle(): Promise<void>;
  /** The node dies in the middle of what it does, as by kill -9, and another one starts on the same broker. */
  crash(): Promise<void>;
  /** Drains the node. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the app. Throws ConfigurationError with every mistake in it.
 *
 * @example
 * const { client, clock, close } = await testRuntime(app);
 * const run = await client.submit(greet, { name: 'Ada' }, { delay: '1h' });
 * await clock.advance('1h');
 * expect(await run.result()).toEqual({ text: 'Hello, Ada' });
 * await close();
 */
export const testRuntime = async <A extends App>(app: A, options: TestOptions = {}): Promise<TestRuntime<A>> => {
  const { seed = 1 } = options;
  const resolved = resolveApp(app);
  const given = 'deps' in options ? { ...resolved, deps: async () => options.deps } : resolved;
  const tested = { ...given, models: replaced(given.models, options.models) };
  const clock = virtualClock();
  const random = seededRandom(seed);
  const broker = memoryBroker({ clock, random, log: silentLog });
  const store = memoryStore();
  let nodes = 0;
  const boot = () => {
    nodes += 1;
    return passing(clock, startNode({ app: tested, broker, store, clock, random, name: `test-${nodes}` }));
  };

  let node = await boot();
  const admitting = admission(registry(tested));
  const { bus, queue, blobs } = broker.connect();
  const producer = client({ bus, queue, blobs, clock, random, log: silentLog, region: 'main', admission: admitting });

  const close = async (): Promise<void> => {
    await producer.close();
    await node.stop();
  };
  let closed: Promise<void> | undefined;

  return {
    client: producer,
    clock: {
      advance: (by) => clock.advance(toMs(by, 'advance')),
      now: () => new Date(clock.wall()),
    },
    idle: () => standstill(clock, broker),
    crash: async () => {
      node.crash();
      node = await boot();
    },
    close: () => {
      closed ??= passing(clock, close());
      return closed;
    },
  };
};

/** Throws ConfigurationError for a name that the app does not have. */
const replaced = (models: Models, by: TestOptions['models'] = {}): Models => {
  const strangers = Object.keys(by).filter((name) => !models.has(name));
  if (strangers.length > 0)
    throw new ConfigurationError(
      strangers.map((name) => `testRuntime: there is no model "${name}" to replace${didYouMean(name, models.keys())}`),
    );
  return new Map(
    [...models].map(([name, entries]) => {
      const [model, first] = [by[name], entries[0]];
      return [name, model && first ? [{ ...first, model }] : entries];
    }),
  );
};

/** The promise, while time passes as fast as it may. */
const passing = async <T>(clock: VirtualClock, promise: Promise<T>): Promise<T> => {
  let over = false;
  const end = (): void => {
    over = true;
  };
  promise.then(end, end);
  await clock.settle();
  while (!over) {
    await clock.advance(clock.nextDueMs === undefined ? 0 : clock.nextDueMs - clock.monotonic());
  }
  return promise;
};

/** So many looks in a row at which nothing had happened. */
const quietLooks = 5;

const standstill = async (clock: VirtualClock, broker: MemoryBroker): Promise<void> => {
  let seen = broker.activity;
  for (let quiet = 0; quiet < quietLooks; quiet += 1) {
    await clock.settle();
    if (broker.activity !== seen) quiet = 0;
    seen = broker.activity;
  }
};
