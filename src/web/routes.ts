/** The doors over HTTP, with what watches a node: `/livez`, `/readyz`, `/metrics`. */
import { type Context, Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { linked } from '../kernel/signal.ts';
import { NotFoundError } from '../kernel/errors.ts';
import { accountFor } from '../task/account.ts';
import type { Doors } from '../task/doors.ts';
import { awaitMs, cancelReasonOf, forgetOf } from '../task/doors-options.ts';
import type { TaskPorts } from '../task/ports.ts';
import { type Problem, statusOfProblem } from '../task/problem.ts';
import { guard, safely } from './guard.ts';
import type { Readiness } from './health.ts';
import { probes } from './probes.ts';
import { bodyOf, taskHeaders } from './request.ts';

export interface RoutesOptions {
  readonly doors: Doors;
  readonly ports: Pick<TaskPorts, 'log' | 'metrics'>;
  readonly ready: () => Promise<Readiness>;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

export const routes = ({ doors, ports, ready, signal }: RoutesOptions): Hono => {
  const web = new Hono();

  web.use(safely, async (c, next) => {
    guard({ method: c.req.method, host: c.req.header('host'), origin: c.req.header('origin') });
    await next();
  });

  web.route('/', probes({ metrics: ports.metrics, ready }));

  web.post('/tasks/:type', async (c) => {
    const answer = await doors.submit(c.req.param('type'), await bodyOf(c.req.raw), taskHeaders(c.req.raw.headers));
    return c.json(answer, answer.duplicate ? 200 : 202, locationOf(answer));
  });
  web.get('/tasks/:type/:id', async (c) => c.json(await doors.get(...named(c))));
  web.get('/tasks/:type/:id/await', async (c) => {
    const timeoutMs = awaitMs(c.req.query('timeout'));
    const life = linked(signal);
    const gone = (): void => life.abort();
    c.req.raw.signal.addEventListener('abort', gone, { once: true });
    try {
      return c.json(await doors.await(...named(c), { timeoutMs, signal: life.signal }));
    } finally {
      life.abort();
    }
  });
  web.get('/tasks/:type/:id/why', async (c) => c.json(await doors.why(...named(c))));
  web.post('/tasks/:type/:id/cancel', async (c) =>
    c.json(await doors.cancel(...named(c), cancelReasonOf(await bodyOf(c.req.raw)))),
  );
  web.post('/tasks/:type/:id/retry', async (c) =>
    c.json(await doors.retry(...named(c), { forget: forgetOf(await bodyOf(c.req.raw)) }), 202),
  );
  web.get('/groups/:group', async (c) => c.json(await doors.counts(c.req.param('group'))));

  web.notFound((c) =>
    refuse(
      c,
      ports,
      new NotFoundError(`there is nothing at ${c.req.method} ${c.req.path.slice(0, 80)}; try POST /tasks/<type>`),
    ),
  );
  web.onError((error, c) => refuse(c, ports, error));
  return web;
};

const named = (c: Context): readonly [type: string, id: string] => [c.req.param('type') ?? '', c.req.param('id') ?? ''];

/** None for the ids that no path can name: whoever sends a request takes `.` and `%2E` alike out of it before. */
const locationOf = ({ type, id }: { readonly type: string; readonly id: string }): Readonly<Record<string, string>> =>
  id === '.' || id === '..' ? {} : { location: `/tasks/${type}/${encodeURIComponent(id)}` };

const refuse = (c: Context, ports: RoutesOptions['ports'], error: Error): Response => {
  const [, , type = ''] = c.req.path.split('/', 3);
  const problem = accountFor(ports, { door: 'http', type, input: `${c.req.method} ${c.req.url}` }, error);
  const status = statusOfProblem(problem);
  const headers = { ...retryAfter(problem), ...(status === 413 && { connection: 'close' }) };
  return c.json({ error: problem }, status as ContentfulStatusCode, headers); // Of a table of them.
};

const retryAfter = ({ retryAfterMs }: Problem): Readonly<Record<string, string>> =>
  retryAfterMs === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) };
