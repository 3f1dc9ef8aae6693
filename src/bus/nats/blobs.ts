/** Large values in the object store's bucket `blobs`, which `nats object` reads. */
import { Objm, type ObjectStore } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Clock } from '../../kernel/clock.ts';
import { RefusedError, UnavailableError } from '../../kernel/errors.ts';
import type { Blobs } from '../blobs.ts';
import type { Api } from './api.ts';

const bucket = 'blobs';
/** The library waits for ever for a chunk that somebody removed while it was reading. */
const timeoutMs = 30_000;

export interface BlobsOptions {
  readonly connection: NatsConnection;
  readonly api: Api;
  readonly clock: Clock;
  readonly replicas: number;
}

export const blobsOf = ({ connection, api, clock, replicas }: BlobsOptions): Blobs => {
  let opened: Promise<ObjectStore> | undefined;

  /** Made by whoever needs it first. A failure is not remembered. */
  const open = (): Promise<ObjectStore> => {
    opened ??= new Objm(connection).create(bucket, { description: 'values too large for a record', replicas });
    return opened.catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
  };

  const attempt = <T>(what: string, work: (store: ObjectStore) => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const timer = clock.timer(timeoutMs, () =>
        reject(new UnavailableError(`${what}: no answer within ${timeoutMs} ms`)),
      );
      open()
        .then(work)
        .then(resolve, (error: unknown) => reject(failure(what, error)))
        .finally(() => timer.cancel());
    });

  return {
    put: async (name, value) => {
      if (name === '') throw new RefusedError('a blob has a name');
      await attempt(`put of blob ${name}`, (store) => store.putBlob({ name }, value));
    },
    get: async (name) => (await attempt(`get of blob ${name}`, (store) => store.getBlob(name))) ?? undefined,
    remove: (name) =>
      attempt(`removal of blob ${name}`, async (store) => {
        if (!(await store.info(name))) return;
        await store.delete(name);
        // The library leaves a marker for each name that ever was: it would be there for ever.
        await api(`STREAM.PURGE.OBJ_${bucket}`, { filter: metaSubject(name) });
      }),
    list: () =>
      attempt('list of blobs', async (store) =>
        (await store.list()).map(({ name, mtime }) => ({ name, at: Date.parse(mtime) })),
      ),
  };
};

const metaSubject = (name: string): string =>
  `$O.${bucket}.M.${Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;

const failure = (what: string, cause: unknown): Error => {
  const message = `${what}: ${cause instanceof Error ? cause.message : String(cause)}`;
  const refused = cause instanceof Error && cause.name === 'JetStreamApiError';
  return refused ? new RefusedError(message, { cause }) : new UnavailableError(message, { cause });
};
