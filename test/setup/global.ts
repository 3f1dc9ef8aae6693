/** Starts one nats-server and one Postgres for the whole suite, and takes them away at its end. */
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { findNatsServer } from '../../src/dev/nats-server.ts';
import { backend } from './backend.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Shared by all test files: whoever makes a stream here gives it a name of its own. */
    readonly natsUrl: string;
    /** Shared by all test files, as superuser: see `freshDatabase`. */
    readonly postgresUrl: string;
    /** Path of nats-server, so that it is looked for once only. */
    readonly natsServer: string;
  }
}

/** Where Node keeps what it has compiled: the suite starts a hundred processes, and a third of a node's start is that. */
const compiled = fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url));

export default async (project: TestProject): Promise<() => Promise<void>> => {
  process.env['NODE_COMPILE_CACHE'] ??= compiled;
  const { nats, postgres } = await backend();
  const binary = await findNatsServer();
  const servers = await Promise.all([nats({ binary }), postgres()]);
  project.provide('natsUrl', servers[0].url);
  project.provide('postgresUrl', servers[1].url);
  project.provide('natsServer', binary);
  return async () => {
    await Promise.all(servers.map((server) => server.remove()));
  };
};
