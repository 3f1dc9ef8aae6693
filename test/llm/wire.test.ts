import { createServer, type Server, type Socket } from 'node:net';
import { buildConnector } from 'undici';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { LimiterTimeoutError } from '../../src/kernel/errors.ts';
import { type Log, silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { limitedFetch, type LimitedFetchOptions } from '../../src/llm/wire.ts';
import { type PermitSource, withPermit } from '../../src/llm/wire-call.ts';
import { permit } from '../../src/limiter/asking/permit.ts';
import { amountOf } from '../../src/limiter/budget.ts';
import type { Word } from '../../src/limiter/messages.ts';
import { permitIdOf } from '../../src/limiter/permit-id.ts';
import type { Permit } from '../../src/limiter/permits.ts';

type Answer = (socket: Socket, request: string) => void;

const ok: Answer = (socket) =>
  socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok');

/** A TCP server that notes each byte. `answer` is called when a whole request is there. */
const listen = async (answer: Answer = ok) => {
  const seen = { bytes: 0, connections: 0, requests: [] as string[] };
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    seen.connections += 1;
    sockets.add(socket);
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      seen.bytes += data.length;
      text += data.toString('latin1');
      const [head = '', ...rest] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (rest.length === 0 || rest.join('\r\n\r\n').length < length) return;
      seen.requests.push(text);
      const whole = text;
      text = '';
      answer(socket, whole);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => void server.close(() => resolve()));
  };
  onTestFinished(close);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { seen, close, url: `http://127.0.0.1:${address.port}/v1/chat` };
};

/** Permits whose words are noted. `inTime` answers what it is given, and then true, until it has been used. */
const source = (...inTime: readonly boolean[]) => {
  const words: string[] = [];
  const answers = [...inTime];
  let count = 0;
  const make = (): Permit => {
    count += 1;
    const id = `p${count}`;
    let over = false;
    let returned = false;
    const once = (word: string) => () => {
      if (!over) words.push(`${id} ${word}`);
      returned ||= !over && word === 'unsent';
      over = true;
    };
    return {
      id: permitIdOf(`1.1.${count}`),
      budget: 'openai',
      waitedMs: 0,
      inTime: () => !over && (answers.shift() ?? true),
      begun: () => words.push(`${id} begun`),
      whenOver: () => ({ cancel: () => undefined }),
      sent: once('sent'),
      heard: () => words.push(`${id} heard`),
      unsent: once('unsent'),
      settle: () => returned || words.push(`${id} settled`),
    };
  };
  const made: PermitSource = { first: [make()], next: async () => [make()] };
  return { words, make, source: made };
};

const open = (log: Log = silentLog, connect?: LimitedFetchOptions['connect']) => {
  const metrics = createMetrics();
  const made = limitedFetch({ log, metrics, ...(connect && { connect }) });
  onTestFinished(() => made.close());
  return { ...made, metrics };
};

const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' };

describe('a request', () => {
  test('goes by its permit, which hears when it was written, and when it was answered', async () => {
    const { url, seen } = await listen();
    const { fetch } = open();
    const { source: permits, words } = source();
    const text = await withPermit(permits, async (call) => {
      expect(call.wired).toBe(false);
      const response = await fetch(url, post);
      expect(call).toMatchObject({ wired: true, permits: permits.first });
      return response.text();
    });
    expect(text).toBe('ok');
    expect(words).toEqual(['p1 sent', 'p1 heard']);
    expect(seen.requests[0]).toMatch(/^POST \/v1\/chat HTTP\/1\.1\r\n/);
    expect(seen.requests[0]).toContain('content-type: application/json');
    expect(seen.requests[0]).toMatch(/\r\n\r\n\{"a":1\}$/);
  });

  test.each([post, { method: 'GET' }])(
    'whose permit is too late leaves no byte, and goes by the next',
    async (init) => {
      const { url, seen } = await listen();
      const { fetch } = open();
      const { source: permits, words } = source(false, false, true);
      const { permits: used } = await withPermit(permits, async (call) => {
        await (await fetch(url, init)).text();
        return call;
      });
      expect(words).toEqual(['p1 unsent', 'p2 unsent', 'p3 sent', 'p3 heard']);
      expect(used.map(({ id }) => id.number)).toEqual([3]);
      // What had been written before would be here by now, for it was the same connection.
      expect(seen).toMatchObject({ connections: 1, bytes: seen.requests[0]?.length });
    },
  );

  test('goes when the permits of all its budgets are in time', async () => {
    const { url } = await listen();
    const { fetch } = open();
    const { make, words } = source(true, false);
    const both: PermitSource = { first: [make(), make()], next: async () => [make(), make()] };
    await withPermit(both, () => fetch(url, post));
    expect(words.slice(0, 4)).toEqual(['p2 unsent', 'p3 unsent', 'p4 sent', 'p5 sent']);
  });

  test('of a process that stood still between the check and the write is told to be late', async () => {
    const { url } = await listen();
    const { fetch } = open();
    const told: Word[] = [];
    // Its second look at the clock is after the write.
    const looks = [0, 501];
    const monotonic = (): number => looks.shift() ?? 501;
    const granted = { id: permitIdOf('1.1.1'), budget: 'openai', amount: amountOf(1, 1), waitedMs: 0, untilMs: 500 };
    const made = permit(
      granted,
      { ...systemClock, monotonic },
      { tell: (_id, word) => told.push(word), over: () => {} },
    );
    await withPermit({ first: [made], next: () => Promise.reject(new Error('none')) }, () => fetch(url, post));
    expect(told).toEqual([{ type: 'late', amount: amountOf(1, 1) }]);
  });

  test('whose permits are all too late fails in the end, and the limiter is blamed', async () => {
    const { url, seen } = await listen();
    const { fetch } = open();
    const { source: permits, words } = source(...Array.from({ length: 100 }, () => false));
    await expect(withPermit(permits, () => fetch(url, post))).rejects.toThrow(LimiterTimeoutError);
    expect(words).toHaveLength(8);
    expect(words.every((word) => word.endsWith('unsent'))).toBe(true);
    expect(seen.bytes).toBe(0);
  });

  test('fails as its source fails', async () => {
    const { url } = await listen();
    const { fetch } = open();
    const { source: permits } = source(false);
    const error = new LimiterTimeoutError('closed');
    const failing: PermitSource = { ...permits, next: () => Promise.reject(error) };
    await expect(withPermit(failing, () => fetch(url, post))).rejects.toBe(error);
  });

  test('that finds nobody returns its permit', async () => {
    const { url, close } = await listen();
    await close();
    const { fetch } = open();
    const { source: permits, words } = source();
    await expect(withPermit(permits, () => fetch(url, post))).rejects.toThrow('fetch failed');
    expect(words).toEqual(['p1 unsent']);
  });

  test.each([
    ['goes to a forbidden port', 'http://127.0.0.1:1/'],
    ['has no address', 'nowhere'],
  ])('that %s returns its permit', async (_, url) => {
    const { fetch } = open();
    const { source: permits, words } = source();
    let wired = false;
    const nobody = withPermit(permits, (call) =>
      fetch(url, post).finally(() => {
        ({ wired } = call);
      }),
    );
    await expect(nobody).rejects.toThrow(TypeError);
    expect(wired).toBe(true);
    expect(words).toEqual(['p1 unsent']);
  });

  test('that is not answered has been sent all the same', async () => {
    const { url } = await listen((socket) => socket.destroy());
    const { fetch } = open();
    const { source: permits, words } = source();
    await expect(withPermit(permits, () => fetch(url, post))).rejects.toThrow('fetch failed');
    expect(words).toEqual(['p1 sent']);
  });

  test('that is aborted before it was written returns its permit at once', async () => {
    const { url, seen } = await listen();
    const connected = Promise.withResolvers<void>();
    const connecting = Promise.withResolvers<void>();
    const { fetch } = open(silentLog, (options, callback) => {
      connecting.resolve();
      void connected.promise.then(() => buildConnector({})(options, callback));
    });
    const { source: permits, words } = source();
    const life = new AbortController();
    const asked = withPermit(permits, () => fetch(url, { ...post, signal: life.signal }));
    await connecting.promise;
    life.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    expect(words).toEqual(['p1 unsent']);
    connected.resolve();
    const { source: others } = source();
    await withPermit(others, async () => (await fetch(url, post)).text());
    expect(words).toEqual(['p1 unsent']);
    expect(seen.requests).toHaveLength(1);
  });

  test('that is aborted while it waits for another permit gives that back', async () => {
    const { url, seen } = await listen();
    const { fetch } = open();
    const { source: permits, words } = source(false);
    const life = new AbortController();
    const returned = Promise.withResolvers<void>();
    const slow: PermitSource = {
      ...permits,
      next: async () => {
        life.abort(new Error('enough'));
        const [granted] = await permits.next();
        if (!granted) return [];
        const unsent = (): void => {
          granted.unsent();
          returned.resolve();
        };
        return [{ ...granted, unsent }];
      },
    };
    await expect(withPermit(slow, () => fetch(url, { ...post, signal: life.signal }))).rejects.toThrow('enough');
    await returned.promise;
    expect(words).toEqual(['p1 unsent', 'p2 unsent']);
    expect(seen.bytes).toBe(0);
  });

  test('that is aborted while it is answered has been sent', async () => {
    const life = new AbortController();
    const { url } = await listen((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun');
    });
    const { fetch } = open();
    const { source: permits, words } = source();
    const response = await withPermit(permits, () => fetch(url, { ...post, signal: life.signal }));
    life.abort(new Error('enough'));
    await expect(response.text()).rejects.toThrow('enough');
    expect(words).toEqual(['p1 sent', 'p1 heard']);
  });

  test('of many at once goes by its own permit', async () => {
    const { url } = await listen();
    const { fetch } = open();
    const all = Array.from({ length: 50 }, () => source());
    await Promise.all(
      all.map(({ source: permits }) => withPermit(permits, async () => (await fetch(url, post)).text())),
    );
    for (const { words } of all) expect(words).toEqual(['p1 sent', 'p1 heard']);
  });
});

describe('a call of several requests', () => {
  test('takes a permit for each, and settles all but the first', async () => {
    const { url } = await listen();
    const { fetch } = open();
    const { source: permits, words } = source();
    const call = await withPermit(permits, async (made) => {
      for (let i = 0; i < 2; i += 1) await (await fetch(url, post)).text();
      return made;
    });
    expect(words).toEqual(['p1 sent', 'p1 heard', 'p2 sent', 'p2 heard', 'p2 settled']);
    expect(call.permits.map(({ id }) => id.number)).toEqual([1]);
  });

  test('takes another permit where it is redirected', async () => {
    const moved = 'HTTP/1.1 307 Moved\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n';
    const { url, seen } = await listen((socket, request) => {
      if (request.startsWith('POST /there')) ok(socket, request);
      else socket.write(moved);
    });
    const { fetch } = open();
    const { source: permits, words } = source();
    const call = await withPermit(permits, async (made) => {
      await (await fetch(url, post)).text();
      return made;
    });
    // The place of the first is free before the second waits for one.
    expect(words).toEqual(['p1 sent', 'p1 heard', 'p1 settled', 'p2 sent', 'p2 heard']);
    expect(call.permits.map(({ id }) => id.number)).toEqual([2]);
    expect(seen.requests[1]).toMatch(/^POST \/there [^]*\{"a":1\}$/);
  });
});

describe('without a permit', () => {
  test('a request goes, is counted, and is logged once', async () => {
    const warn = vi.fn<Log['warn']>();
    const { url } = await listen();
    const { fetch, metrics } = open({ ...silentLog, warn });
    for (let i = 0; i < 3; i += 1) expect(await (await fetch(url, post)).text()).toBe('ok');
    expect(warn).toHaveBeenCalledTimes(1);
    expect(await metrics.text()).toContain('troupe_limiter_unchecked_total 3');
  });

  test('a call that goes another way says so', async () => {
    const { source: permits, words } = source();
    const { wired } = await withPermit(permits, async (call) => call);
    expect(wired).toBe(false);
    expect(words).toEqual([]);
  });
});

describe('a body', () => {
  const sent = async (init: RequestInit | Request): Promise<string> => {
    const { url, seen } = await listen();
    const { fetch } = open();
    const request = init instanceof Request ? new Request(url, init) : undefined;
    await withPermit(source().source, () => (request ? fetch(request) : fetch(url, init as RequestInit)));
    return seen.requests[0] ?? '';
  };

  test('of a form is sent with its boundary', async () => {
    const form = new FormData();
    form.set('file', new Blob(['abc']), 'a.txt');
    const request = await sent({ method: 'POST', body: form });
    const boundary = /boundary=(\S+)/.exec(request)?.[1] ?? 'none';
    expect(request).toContain(`--${boundary}--`);
    expect(request).toContain('filename="a.txt"');
  });

  test('that is a stream is sent in one go', async () => {
    const stream = new Blob(['a stream']).stream();
    const request = await sent({ method: 'POST', body: stream, duplex: 'half' } as RequestInit);
    expect(request).toMatch(/content-length: 8\r\n\r\na stream$/);
  });

  test('may come in a Request', async () => {
    const request = await sent(
      new Request('http://127.0.0.1/', { method: 'PUT', body: 'text', headers: { 'x-a': 'b' } }),
    );
    expect(request).toMatch(/^PUT [^]*x-a: b[^]*\r\n\r\ntext$/);
  });
});
