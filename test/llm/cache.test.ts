import { describe, expect, onTestFinished, test } from 'vitest';
import { provision } from '../../src/actors/provisioner.ts';
import { connectNats } from '../../src/bus/nats/connection.ts';
import { buckets } from '../../src/bus/subjects.ts';
import { UnavailableError } from '../../src/kernel/errors.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { bucket } from '../../src/kv/bucket.ts';
import type { Bucket } from '../../src/kv/kv.ts';
import { type Asked, cache, type Found } from '../../src/llm/cache.ts';
import { topology } from '../../src/task/topology.ts';
import { freshNats } from '../setup/servers.ts';
import { open } from '../task/world.ts';

const asked = (given: Partial<Asked> = {}): Asked => ({
  model: 'fast',
  key: 'k',
  ttlMs: 60_000,
  waitMs: 60_000,
  signal: new AbortController().signal,
  ...given,
});
type Miss = Extract<Found, { type: 'miss' }>;
const missed = (found: Found): Miss => {
  if (found.type === 'miss') return found;
  throw new Error('it was there');
};

/** A process with a memory of its own, on a bucket that others share. */
const inMemory = async (changed: (bucket: Bucket) => Bucket = (same) => same) => {
  const { clock, node, eventually } = await open();
  const process = () => {
    const { queue } = node();
    const metrics = createMetrics();
    const kv = bucket(queue, buckets.cache);
    const made = cache({ bucket: changed(kv), clock, now: () => queue.now(), log: silentLog, metrics });
    return { ...made, metrics, kv };
  };
  return { clock, process, eventually };
};

describe('the cache', () => {
  test('gives again what was kept, here and in other processes', async () => {
    const { process, clock } = await inMemory();
    const [one, other] = [process(), process()];
    missed(await one.find(asked())).keep({ text: 'hi' });
    expect(await one.find(asked())).toEqual({ type: 'hit', value: { text: 'hi' } });
    await clock.settle();
    expect(await other.find(asked())).toEqual({ type: 'hit', value: { text: 'hi' } });
    expect(await other.metrics.text()).toContain('troupe_model_cache_total{model="fast",outcome="hit"} 1');
    expect(await one.metrics.text()).toContain('troupe_model_cache_total{model="fast",outcome="miss"} 1');
  });

  test('tells other keys apart', async () => {
    const { process } = await inMemory();
    const { find } = process();
    missed(await find(asked())).keep(1);
    expect((await find(asked({ key: 'other' }))).type).toBe('miss');
  });

  test('forgets what is older than the one who asks will have it', async () => {
    const { process, clock } = await inMemory();
    const [one, other] = [process(), process()];
    missed(await one.find(asked())).keep(1);
    await clock.advance(30_000);
    for (const { find } of [one, other]) {
      expect((await find(asked({ ttlMs: 60_000 }))).type).toBe('hit');
      missed(await find(asked({ ttlMs: 30_000 }))).drop();
    }
    await clock.advance(30_000);
    for (const { find } of [one, other]) missed(await find(asked())).drop();
  });

  test('keeps what is kept for less than a second in this process alone', async () => {
    const { process, clock } = await inMemory();
    const [one, other] = [process(), process()];
    missed(await one.find(asked({ ttlMs: 500 }))).keep(1);
    await clock.settle();
    expect((await one.find(asked({ ttlMs: 500 }))).type).toBe('hit');
    expect((await other.find(asked({ ttlMs: 500 }))).type).toBe('miss');
  });

  test('makes one call of those that are made at the same time', async () => {
    const { process } = await inMemory();
    const { find, metrics } = process();
    const [first, ...others] = [find(asked()), find(asked()), find(asked())];
    missed(await first).keep('said once');
    expect(await Promise.all(others)).toEqual(Array(2).fill({ type: 'hit', value: 'said once' }));
    expect(await metrics.text()).toContain('troupe_model_cache_total{model="fast",outcome="shared"} 2');
  });

  test.each([
    ['failed', (miss: Miss) => miss.drop()],
    ['was stopped', (_: Miss, life: AbortController) => life.abort()],
  ])('lets each call by itself where the call they waited for %s', async (_, end) => {
    const { process } = await inMemory();
    const { find } = process();
    const life = new AbortController();
    const first = missed(await find(asked({ signal: life.signal })));
    const others = [find(asked()), find(asked())];
    end(first, life);
    for (const other of await Promise.all(others)) missed(other).keep(2);
    expect(await find(asked())).toEqual({ type: 'hit', value: 2 });
  });

  test('lets one who can wait no longer call by itself', async () => {
    const { process, clock } = await inMemory();
    const { find } = process();
    const first = missed(await find(asked()));
    const [brief, patient] = [find(asked({ waitMs: 500 })), find(asked())];
    await clock.advance(500);
    missed(await brief).keep('by itself');
    first.keep('in the end');
    expect(await patient).toEqual({ type: 'hit', value: 'in the end' });
  });

  test('lets one who waits give up', async () => {
    const { process } = await inMemory();
    const { find } = process();
    missed(await find(asked()));
    const life = new AbortController();
    const waiting = find(asked({ signal: life.signal }));
    life.abort(new Error('no time'));
    await expect(waiting).rejects.toThrow('no time');
  });

  test('does not keep what is too large, but gives it to those who wait', async () => {
    const { process } = await inMemory();
    const { find } = process();
    const large = 'x'.repeat(256 * 1024);
    const [first, second] = [find(asked()), find(asked())];
    missed(await first).keep(large);
    expect(await second).toEqual({ type: 'hit', value: large });
    expect((await find(asked())).type).toBe('miss');
  });

  test('is without KV as if it were empty', async () => {
    const down = () => Promise.reject(new UnavailableError('no connection'));
    const { process } = await inMemory((kv) => ({ ...kv, get: down, put: down }));
    const { find, metrics } = process();
    missed(await find(asked())).keep(1);
    expect(await find(asked())).toEqual({ type: 'hit', value: 1 });
    expect(await metrics.text()).toContain('troupe_model_cache_total{model="fast",outcome="unreachable"} 2');
  });

  test('does not wait long for KV', async () => {
    const { process, clock, eventually } = await inMemory((kv) => ({ ...kv, get: () => new Promise(() => {}) }));
    const { find } = process();
    const before = clock.monotonic();
    missed(await eventually(find(asked())));
    expect(clock.monotonic() - before).toBe(500);
  });

  test('takes what is no JSON for nothing', async () => {
    const { process } = await inMemory();
    const { find, kv } = process();
    await kv.put('k', new TextEncoder().encode('{'));
    expect((await find(asked())).type).toBe('miss');
  });

  test('works on a real server, from one process to another', async () => {
    const server = await freshNats();
    const process = async (name: string) => {
      const ports = await connectNats({
        servers: server.url,
        name,
        clock: systemClock,
        random: systemRandom,
        log: silentLog,
      });
      onTestFinished(() => ports.bus.close());
      const kv = bucket(ports.queue, buckets.cache);
      const metrics = createMetrics();
      const made = cache({ bucket: kv, clock: systemClock, now: () => ports.queue.now(), log: silentLog, metrics });
      return { ...ports, ...made, kv };
    };
    const [one, other] = [await process('one'), await process('other')];
    const mb = 1024 * 1024;
    await provision(
      one.queue,
      topology({ region: 'main', pools: [], ackWaitMs: 30_000, replicas: 1, workBytes: 64 * mb }),
      silentLog,
    );
    const kept = new Promise<void>((resolve) => {
      void other.kv.watch('k', () => resolve());
    });
    missed(await one.find(asked())).keep({ text: 'hi' });
    await kept;
    expect(await other.find(asked())).toEqual({ type: 'hit', value: { text: 'hi' } });
    expect(await one.kv.get('k')).toMatchObject({ ttlMs: 60_000 });
  });
});
