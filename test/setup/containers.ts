/** The same servers as `local` has, in containers. What Docker needs to know of the machine is in CONTRIBUTING.md. */
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers';
import { freePort } from '../../src/dev/free-port.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import type { Backend, Disposable } from './backend.ts';

const survivable: ReadonlySet<string> = new Set(['SIGSTOP', 'SIGCONT', 'SIGHUP']);

const server = async (container: StartedTestContainer, port: number, url: string): Promise<Disposable> => {
  const { container: runtime } = await getContainerRuntimeClient();
  const handle = runtime.getById(container.getId());
  const pidNow = async (): Promise<number> => (await handle.inspect()).State.Pid;
  let pid: number | undefined = await pidNow();

  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    if (pid === undefined) return;
    const ended = survivable.has(signal) ? undefined : handle.wait();
    await handle.kill({ signal });
    if (ended === undefined) return;
    await ended;
    pid = undefined;
  };
  // As `docker stop` does for either server: an end in order.
  const stop = (): Promise<void> => kill('SIGINT');
  return {
    url,
    port,
    get pid() {
      return pid;
    },
    kill,
    stop,
    restart: async () => {
      await stop();
      await container.restart();
      pid = await pidNow();
    },
    lose: async () => {
      await container.exec(['rm', '-rf', '/data/jetstream']);
      await kill();
    },
    remove: async () => void (await container.stop({ timeout: 0 })),
  };
};

/** A published port is chosen beforehand: Docker would choose another one after a restart. */
const start = async (image: GenericContainer, inner: number, url: (address: string) => string): Promise<Disposable> => {
  const port = await freePort();
  const container = await image.withExposedPorts({ container: inner, host: port }).start();
  return server(container, port, url(`${container.getHost()}:${port}`));
};

export const containers: Backend = {
  nats: ({ syncInterval, config = '' }) => {
    const sync = syncInterval === undefined ? '' : `sync_interval: ${syncInterval}`;
    const content = `port: 4222\njetstream {\n  store_dir: "/data"\n  ${sync}\n}\n${config}\n`;
    const image = new GenericContainer('nats:2.15-alpine')
      .withCopyContentToContainer([{ content, target: '/etc/nats/nats-server.conf' }])
      // Not by its log: of a container that starts again, what it said may be over before the log is followed.
      .withWaitStrategy(Wait.forSuccessfulCommand('nc -w 1 127.0.0.1 4222 </dev/null | grep -q INFO'));
    return start(image, 4222, (address) => `nats://${address}`);
  },
  postgres: () => {
    const password = systemRandom.id();
    // Over TCP, because while the image prepares its database it listens on a Unix socket only.
    const image = new GenericContainer('postgres:17-alpine')
      .withEnvironment({ POSTGRES_PASSWORD: password })
      .withCommand(['postgres', '-c', 'fsync=off', '-c', 'full_page_writes=off'])
      .withWaitStrategy(Wait.forSuccessfulCommand('pg_isready -h 127.0.0.1 -U postgres'));
    return start(image, 5432, (address) => `postgres://postgres:${password}@${address}/postgres`);
  },
};
