/** The check at the wire where it has most to wait for: TCP and the handshake of TLS come before the first byte. */
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { permit } from '../../src/limiter/asking/permit.ts';
import { amountOf } from '../../src/limiter/budget.ts';
import type { Word } from '../../src/limiter/messages.ts';
import { type PermitId, permitIdOf, permitText } from '../../src/limiter/permit-id.ts';
import { limitedFetch } from '../../src/llm/wire.ts';
import { type PermitSource, withPermit } from '../../src/llm/wire-call.ts';
import { certificate, key } from '../setup/test-certificate.ts';
import { portOf } from './port.ts';

/** An HTTPS server that notes each byte of HTTP it is sent. */
const listen = async () => {
  const seen = { connections: 0, text: '' };
  const server = createServer({ key, cert: certificate }, (request, response) => {
    request.resume().once('end', () => response.end('ok'));
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    seen.connections += 1;
    socket.on('data', (data: Buffer) => void (seen.text += data.toString('latin1')));
  });
  const port = await portOf(server);
  return { seen, url: `https://127.0.0.1:${port}/v1/chat` };
};

const permitMs = 500;

/** Permits of the limiter's own making, on a clock in the test's hands. */
const granting = () => {
  const clock = { ms: 0 };
  const told: (Word & { readonly permit: string })[] = [];
  let count = 0;
  const grant = () => {
    count += 1;
    const granted = {
      id: permitIdOf(`1.1.${count}`),
      budget: 'b',
      amount: amountOf(1, 1),
      waitedMs: 0,
      untilMs: clock.ms + permitMs,
    };
    const tell = (id: PermitId, word: Word): void => void told.push({ ...word, permit: permitText(id) });
    return permit(granted, { ...systemClock, monotonic: () => clock.ms }, { tell, over: () => {} });
  };
  const source = (): PermitSource => ({ first: [grant()], next: async () => [grant()] });
  return { clock, told, source };
};

/** Trusts the test's certificate; `connected` is called when the handshake is over. */
const open = (connected = () => {}, ca = certificate) => {
  const connect = buildConnector({ ca });
  const { fetch, close } = limitedFetch({
    log: silentLog,
    connect: (options, callback) =>
      connect(options, (...made) => {
        connected();
        callback(...made);
      }),
  });
  onTestFinished(close);
  return async (url: string, body: string, source: PermitSource): Promise<string> =>
    withPermit(source, async () => (await fetch(url, { method: 'POST', body })).text());
};

test('a permit that ran out during the handshake leaves no byte, and the next request goes by the same connection', async () => {
  const { seen, url } = await listen();
  const { clock, told, source } = granting();
  const ask = open(() => void (clock.ms += permitMs + 1));
  expect(await ask(url, 'the only one', source())).toBe('ok');
  // What had been written before would stand before it: it was the same connection.
  expect(seen.text).toMatch(/^POST \/v1\/chat HTTP\/1\.1\r\n[^]*\r\n\r\nthe only one$/);
  expect(seen.text.match(/POST/g)).toHaveLength(1);
  expect(seen.connections).toBe(1);
  expect(told).toEqual([
    { type: 'unsent', permit: '1.1.1' },
    { type: 'sent', permit: '1.1.2' },
  ]);
});

test('a permit that has run out before a connection in use is written to leaves it usable', async () => {
  const { seen, url } = await listen();
  const { clock, told, source } = granting();
  const ask = open();
  expect(await ask(url, 'first', source())).toBe('ok');
  const before = seen.text.length;
  await new Promise((resolve) => void setImmediate(resolve)); // The connection is free again.
  const late = source();
  clock.ms += permitMs + 1;
  const refused: PermitSource = { ...late, next: () => Promise.reject(new Error('no other')) };
  await expect(ask(url, 'in vain', refused)).rejects.toThrow('no other');
  expect(await ask(url, 'last', source())).toBe('ok');
  expect(seen.text.slice(before)).toMatch(/^POST [^]*\r\n\r\nlast$/);
  expect(seen.text).not.toContain('in vain');
  expect(seen.connections).toBe(1);
  expect(told.map(({ type, permit: id }) => `${id} ${type}`)).toEqual(['1.1.1 sent', '1.1.2 unsent', '1.1.3 sent']);
});

test('a server that cannot show who it is is sent nothing, and its permit is returned', async () => {
  const { seen, url } = await listen();
  const { told, source } = granting();
  await expect(open(() => {}, '')(url, 'secret', source())).rejects.toThrow('fetch failed');
  expect(told).toEqual([{ type: 'unsent', permit: '1.1.1' }]);
  expect(seen.text).toBe('');
});
