/** What goes wrong with NATS, in the words of the ports: no error type of the library or the server goes further. */
import { errors } from '@nats-io/nats-core';
import {
  ConflictError,
  InvalidNameError,
  NotFoundError,
  OverloadedError,
  PayloadTooLargeError,
  RefusedError,
  UnavailableError,
} from '../../kernel/errors.ts';

/** An error as JetStream answers it. */
export interface ApiError {
  readonly code: number;
  readonly err_code?: number;
  readonly description?: string;
}

/** Numbers of nats-server's errors.json. */
const apiCodes = {
  clusterNotAvailable: 10008,
  clusterNotLeader: 10009,
  consumerNotFound: 10014,
  consumersMost: 10026,
  noMessageFound: 10037,
  notEnabledForAccount: 10039,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  wrongLastMsgId: 10070,
  wrongLastSequence: 10071,
  storageExceeded: 10047,
  notEnabled: 10076,
  streamOffline: 10118,
  consumerOffline: 10119,
  ackPendingExceeded: 10121,
  wrongLastSequenceUnsaid: 10164,
  scheduleTimeZone: 10223,
} as const;

const conflicts = new Set<number>([
  apiCodes.wrongLastSequence,
  apiCodes.wrongLastSequenceUnsaid,
  apiCodes.wrongLastMsgId,
]);
const missing = new Set<number>([apiCodes.streamNotFound, apiCodes.consumerNotFound, apiCodes.noMessageFound]);
const away = new Set<number>([
  apiCodes.clusterNotAvailable,
  apiCodes.clusterNotLeader,
  apiCodes.notEnabledForAccount,
  apiCodes.notEnabled,
  apiCodes.streamOffline,
  apiCodes.consumerOffline,
]);

/** As long as it keeps the consumer of a tail whose reader is gone. */
const consumersRetryMs = 30_000;

/** Where the server's own words are not enough: zones are checked before they get here. */
const remedies = new Map<number, string>([
  [apiCodes.storageExceeded, '; raise max_file in its jetstream block, or lower TROUPE_QUEUE_BYTES'],
  [apiCodes.ackPendingExceeded, '; raise max_ack_pending in its jetstream limits: deploy/nats.conf has what is needed'],
  [apiCodes.scheduleTimeZone, '; the machine that nats-server runs on needs time zone data: install tzdata there'],
]);

/** `what` is what was tried, such as `publish to work.main.p`. */
export const apiFailure = (what: string, error: ApiError): Error => {
  const number = error.err_code ?? 0;
  const description = error.description ?? `error ${error.code}`;
  const message = `${what}: ${description} (${number || error.code})${remedies.get(number) ?? ''}`;
  if (conflicts.has(number)) {
    const revision = /wrong last sequence: (\d+)/.exec(description)?.[1];
    return new ConflictError(message, revision === undefined ? {} : { revision: Number(revision) });
  }
  if (missing.has(number)) return new NotFoundError(message);
  if (number === apiCodes.consumersMost) return new OverloadedError(message, { retryAfterMs: consumersRetryMs });
  return away.has(number) ? new UnavailableError(message) : new RefusedError(message);
};

/** Whether it says that the stream has no such message, and not that there is no such stream. */
export const isNoMessage = (error: unknown): boolean =>
  error instanceof NotFoundError && error.message.endsWith(`(${apiCodes.noMessageFound})`);

/** What the library throws before anything was sent. */
export const sendFailure = (subject: string, bytes: number, error: unknown): Error => {
  if (error instanceof errors.InvalidSubjectError)
    return new InvalidNameError('a subject', subject, 'give tokens without spaces, with dots between them');
  if (error instanceof errors.InvalidArgumentError && error.message.includes('max_payload')) {
    return new PayloadTooLargeError(`${subject}: ${bytes} bytes are more than the server takes in one message`);
  }
  if (error instanceof errors.ClosedConnectionError || error instanceof errors.DrainingConnectionError) {
    return new UnavailableError(`${subject}: the connection to NATS is closed`);
  }
  return error instanceof Error ? error : new UnavailableError(`${subject}: ${String(error)}`);
};
