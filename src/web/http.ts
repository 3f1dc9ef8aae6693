/** The HTTP door of a node: on loopback only. */
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Start } from '../kernel/process.ts';
import type { Doors } from '../task/doors.ts';
import type { Readiness } from './health.ts';
import { listen, type ListenOptions } from './listen.ts';
import { routes } from './routes.ts';

export interface HttpDoorOptions extends Omit<ListenOptions, 'setting' | 'opened' | 'host'> {
  readonly doors: Doors;
  readonly ready: () => Promise<Readiness>;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** A process. Starting it throws `ConfigurationError` where the port is taken. */
export const httpDoor = ({ doors, ready, metrics, ...options }: HttpDoorOptions): Start =>
  listen(
    { ...options, setting: 'HTTP_PORT', opened: 'the HTTP door is open', host: '127.0.0.1' },
    (signal) => routes({ doors, ports: { log: options.log, metrics }, ready, signal }).fetch,
  );
