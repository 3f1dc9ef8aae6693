/**
 * Large values in the object store's bucket `blobs`, which `nats object` reads. The library writes them; they are read
 * here (`blob-read.ts`).
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import { Objm, type ObjectStore } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Clock } from '../../kernel/clock.ts';
import { NotFoundError, RefusedError, UnavailableError } from '../../kernel/errors.ts';
import type { Blobs } from '../blobs.ts';
import type { Api } from './api.ts';
import { blobBucket as bucket, blobRead, blobStream, infoSubject } from './blob-read.ts';
import { apiFailure } from './errors.ts';
import type { Mux } from './mux.ts';

const timeoutMs = 30_000;

export interface BlobsOptions {
  readonly connection: NatsConnection;
  readonly requests: Mux;
  readonly api: Api;
  readonly clock: Clock;
  readonly replicas: number;
}

export const blobsOf = ({ connection, requests, api, clock, replicas }: BlobsOptions): Blobs => {
  let opened: Promise<ObjectStore> | undefined;

  /** Made by whoever needs it first. A failure is not remembered. */
  const open = (): Promise<ObjectStore> => {
    opened ??= new Objm(connection).create(bucket, { description: 'values too large for a record', replicas });
    return opened.catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
  };

  const failed = (what: string, cause: unknown): Error => {
    const failure = failureOf(what, cause);
    if (!(failure instanceof NotFoundError)) return failure;
    opened = undefined; // The bucket is gone, as on a server without its disk: whoever tries again makes it again.
    return new UnavailableError(failure.message, { cause });
  };

  const attempt = <T>(what: string, work: (store: ObjectStore) => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const timer = clock.timer(timeoutMs, () =>
        reject(new UnavailableError(`${what}: no answer within ${timeoutMs} ms`)),
      );
      open()
        .then(work)
        .then(resolve, (error: unknown) => reject(failed(what, error)))
        .finally(() => timer.cancel());
    });

  return {
    put: async (name, value) => {
      if (name === '') throw new RefusedError('a blob has a name');
      await attempt(`put of blob ${name}`, (store) => store.putBlob({ name }, value));
    },
    get: blobRead(api, requests),
    remove: (name) =>
      attempt(`removal of blob ${name}`, async (store) => {
        if (!(await store.info(name))) return;
        await store.delete(name);
        // The library leaves a marker for each name that ever was: it would be there for ever.
        await api(`STREAM.PURGE.${blobStream}`, { filter: infoSubject(name) });
      }),
    list: () =>
      attempt('list of blobs', async (store) =>
        (await store.list()).map(({ name, mtime }) => ({ name, at: Date.parse(mtime) })),
      ),
  };
};

const failureOf = (what: string, cause: unknown): Error => {
  if (!(cause instanceof JetStreamApiError))
    return new UnavailableError(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  const failure = apiFailure(what, cause.apiError());
  return failure instanceof RefusedError ? new RefusedError(`${failure.message}${remedy}`, { cause }) : failure;
};

const remedy = `; if the object store "${bucket}" is full, raise the limits of its stream, ${blobStream}, or of the account`;
