/**
 * Reads an object of the object store: what is written of it under its name, and then its chunks, by sequence. The
 * library makes a consumer for each read, which lives on for minutes, and a stream has only so many.
 */
import { createHash } from 'node:crypto';
import { ifFound } from '../../kernel/found.ts';
import { slots } from '../../kernel/slots.ts';
import type { Stored } from '../queue.ts';
import type { Api } from './api.ts';
import { textOf } from './headers.ts';
import type { Mux } from './mux.ts';
import { readDirect, readsOf } from './reads.ts';

export const blobBucket = 'blobs';
export const blobStream = `OBJ_${blobBucket}`;

/** So many at once: each has as much on its way as one direct read brings. */
const readsMost = 16;
const chunksAtOnce = 256;

/** As the library writes it. */
interface Info {
  readonly nuid: string;
  readonly size: number;
  readonly digest: string;
  readonly deleted?: boolean;
}

/** The library takes each character for a byte. */
export const infoSubject = (name: string): string =>
  `$O.${blobBucket}.M.${Buffer.from(name, 'latin1').toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;

/** Throws `UnavailableError` and `TimeoutError`. */
export const blobRead = (api: Api, requests: Mux) => {
  const { last, next } = readsOf(api, requests);
  const places = slots(readsMost);

  const infoOf = async (name: string): Promise<Info | undefined> => {
    const stored = await ifFound(last(blobStream, infoSubject(name))); // Before anything is written there is no stream.
    return stored && JSON.parse(textOf(stored.data));
  };

  /** In their order, from any replica; what that has not got yet, from the leader. */
  const chunksOf = async ({ nuid, size }: Info): Promise<readonly Uint8Array[]> => {
    const subject = `$O.${blobBucket}.C.${nuid}`;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    let seq = 1;
    const take = (stored: Stored): void => {
      chunks.push(stored.data);
      bytes += stored.data.length;
      seq = stored.seq + 1;
    };
    while (bytes < size) {
      const from = seq;
      const which = { seq, next_by_subj: subject, batch: chunksAtOnce };
      await readDirect(requests, blobStream, { what: `read of ${subject}`, which, each: take });
      if (seq > from) continue;
      const chunk = await next(blobStream, subject, seq);
      if (!chunk) break;
      take(chunk);
    }
    return chunks;
  };

  const read = async (name: string): Promise<Uint8Array | undefined> => {
    for (let before: string | undefined; ; ) {
      const info = await infoOf(name);
      // What is read twice, and is not what was written, is damaged; at first it may have been replaced meanwhile.
      if (!info || info.deleted || info.nuid === before) return undefined;
      const value = Buffer.concat(await chunksOf(info));
      if (value.length === info.size && isDigest(info.digest, value)) return value;
      before = info.nuid;
    }
  };

  return (name: string): Promise<Uint8Array | undefined> => places.hold(() => read(name));
};

const isDigest = (digest: string, value: Uint8Array): boolean =>
  digest.replace(/=+$/, '') === `SHA-256=${createHash('sha256').update(value).digest('base64url')}`;
