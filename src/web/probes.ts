/** What watches a node and cannot work on it: `/livez`, `/readyz`, `/metrics`. Machines that may do no more ask here. */
import { Hono } from 'hono';
import type { Metrics } from '../kernel/metrics.ts';
import type { Start } from '../kernel/process.ts';
import { safely } from './guard.ts';
import type { Readiness } from './health.ts';
import { listen, type ListenOptions } from './listen.ts';

export interface ProbesOptions {
  readonly metrics: Metrics;
  readonly ready: () => Promise<Readiness>;
}

export const probes = ({ metrics, ready }: ProbesOptions): Hono => {
  const web = new Hono();
  web.get('/livez', (c) => c.text('ok\n'));
  web.get('/readyz', async (c) => {
    const state = await ready();
    return c.json(state, state.ready ? 200 : 503);
  });
  const scraped = shared(() => metrics.text());
  web.get('/metrics', async (c) => c.body(await scraped(), 200, { 'content-type': metrics.contentType }));
  return web;
};

/** A process: they alone, for other machines. Starting it throws `ConfigurationError` where the port is taken. */
export const probeDoor = (options: ProbesOptions & Omit<ListenOptions, 'setting' | 'opened' | 'host'>): Start =>
  listen({ ...options, setting: 'PROBE_PORT', opened: 'probes are answered', host: '0.0.0.0' }, () => {
    const web = new Hono();
    web.use(safely);
    return web.route('/', probes(options)).fetch;
  });

/** Everybody who asks while it is made gets the same one. */
const shared = <Value>(make: () => Promise<Value>): (() => Promise<Value>) => {
  let making: Promise<Value> | undefined;
  return () =>
    (making ??= make().finally(() => {
      making = undefined;
    }));
};
