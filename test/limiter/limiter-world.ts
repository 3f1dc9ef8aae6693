/** Nodes that stand by for a budget, in memory, and a client of theirs that speaks by hand. */
import { limiter } from '../../src/actors/limiter.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { amountOf, type Budget } from '../../src/limiter/budget.ts';
import { later, permitIdOf, permitText } from '../../src/limiter/permit-id.ts';
import { type Grants, grants as grantsShape, type Wish } from '../../src/limiter/messages.ts';

type Asked = Partial<Omit<Wish, 'id'>> & { readonly id: string };

type Link = Pick<ReturnType<ReturnType<typeof memoryBroker>['connect']>, 'bus' | 'queue'>;

const decoder = new TextDecoder();

const each = ({ id, permit, count }: Grants['grants'][number]) =>
  Array.from({ length: count }, (_, place) => ({
    id: id + place,
    permit: permitText(later(permitIdOf(permit), place)),
  }));

export const opened = async (budget: Partial<Budget> = {}, seed = 1) => {
  const clock = virtualClock();
  const random = seededRandom(seed);
  const broker = memoryBroker({ clock, random });
  const spec: Budget = { name: 'tier1', windows: [{ unit: 'requests', limit: 10, perMs: 10_000 }], ...budget };
  const own = broker.connect();
  const done = async <T>(promise: Promise<T>): Promise<T> => {
    promise.catch(() => undefined); // Awaited below.
    await clock.advance(20);
    return promise;
  };
  await done(own.queue.ensureStream({ name: 'KV_limits', subjects: ['$KV.limits.>'], keep: 'last', maxBytes: 1e6 }));

  /** `altered`: what the node has in place of its connection. */
  const node = async (name: string, altered: (link: Link) => Partial<Link> = () => ({})) => {
    const connection = broker.connect();
    const metrics = createMetrics();
    const life = new AbortController();
    const starting = limiter({
      budget: spec,
      ...connection,
      ...altered(connection),
      clock,
      random,
      log,
      metrics,
      node: name,
      version: '1.0.0',
    })(life.signal);
    starting.then(({ exit }) => exit).catch(() => undefined); // Of one that crashes: the others go on.
    const { exit } = await done(starting);
    await clock.advance(300);
    return {
      metrics,
      /** As kill -9 does. */
      kill: () => connection.cut(),
      heal: () => connection.heal(),
      stop: async () => {
        life.abort();
        await done(exit);
      },
    };
  };

  const request = async (verb: string, body: unknown) => {
    const answer = await done(own.bus.request(`limiter.tier1.${verb}`, Buffer.from(JSON.stringify(body))));
    return { ...JSON.parse(decoder.decode(answer.data)), code: answer.headers['Nats-Service-Error-Code'] };
  };

  const client = (name: string) => {
    const heard: Grants[] = [];
    let n = 0;
    own.bus.subscribe(
      `_INBOX.${name}`,
      ({ data }) => void heard.push(grantsShape.parse(JSON.parse(decoder.decode(data)))),
    );
    const names: string[] = [];
    const numbered = ({ id, ...wish }: Asked): object => {
      if (!names.includes(id)) names.push(id);
      return { ...wish, id: names.indexOf(id) };
    };
    const list = (waiting: readonly Asked[], live = Math.max(1, n)): void => {
      n += 1;
      const body = Buffer.from(JSON.stringify({ client: name, n, live, waiting: waiting.map(numbered) }));
      own.bus.publish('limiter.tier1.acquire', body, { reply: `_INBOX.${name}` });
    };
    return {
      heard,
      list,
      permits: () => heard.flatMap(({ grants }) => grants.flatMap(each)).map(({ permit }) => permit),
      /** Waits for all of `wishes` as a client does, for `ms`; answers the permits of those that it got. */
      wait: async (wishes: readonly Asked[], ms: number) => {
        const got = new Map<string, string>();
        const from = clock.monotonic();
        for (let seen = heard.length; clock.monotonic() - from < ms && got.size < wishes.length; ) {
          list(wishes.filter(({ id }) => !got.has(id)));
          await clock.advance(50);
          for (; seen < heard.length; seen += 1)
            for (const { id, permit } of (heard[seen]?.grants ?? []).flatMap(each)) got.set(names[id] ?? '', permit);
        }
        return got;
      },
      settle: (...permits: readonly object[]) => request('settle', { client: name, permits }),
    };
  };

  return { clock, random, spec, node, client, request, status: () => request('status', null), broker };
};

export const wishes = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, index) => ({ id: `w${index}`, ...more }));

export const tokens = amountOf;
