/** A message that a consumer hands out. Where it stands is told by the subject on which it is acked. */
import type { Msg } from '@nats-io/nats-core';
import type { Delivery } from '../queue.ts';
import { headersOf } from './headers.ts';

const ack = Buffer.from('+ACK');
const nak = Buffer.from('-NAK');
const working = Buffer.from('+WPI');

export interface Position {
  readonly stream: string;
  readonly deliveries: number;
  readonly seq: number;
  /** Of the consumer's own numbering. */
  readonly deliverySeq: number;
  readonly at: number;
  readonly pending: number;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<seq>.<delivery seq>.<ns>.<pending>`, or with
 * `<domain>.<account>` before the stream and more at the end. Undefined for anything else.
 */
export const parseAckSubject = (subject: string): Position | undefined => {
  const tokens = subject.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  const start = tokens.length === 9 ? 2 : tokens.length >= 11 ? 4 : 0;
  const stream = tokens[start];
  if (start === 0 || stream === undefined) return undefined;
  const at = Math.floor(Number(tokens[start + 5]) / 1e6);
  const position = {
    stream,
    deliveries: Number(tokens[start + 2]),
    seq: Number(tokens[start + 3]),
    deliverySeq: Number(tokens[start + 4]),
    at,
    pending: Number(tokens[start + 6]),
  };
  return Number.isSafeInteger(position.seq) && Number.isSafeInteger(at) ? position : undefined;
};

/** Publishes to a delivery's ack subject. Must not throw: what is lost comes back after the ack wait. */
export type Settle = (ackSubject: string, payload: Uint8Array) => void;

export const deliveryOf = (message: Msg, position: Position, settle: Settle): Delivery => {
  const { stream, seq, at, deliveries, pending } = position;
  const { subject, data } = message;
  const ackSubject = message.reply ?? '';
  return {
    stream,
    subject,
    seq,
    data,
    at,
    deliveries,
    pending,
    headers: headersOf(message),
    ack: () => settle(ackSubject, ack),
    nak: (delayMs) => settle(ackSubject, delayMs ? Buffer.from(`-NAK {"delay":${Math.ceil(delayMs * 1e6)}}`) : nak),
    term: (reason) => settle(ackSubject, Buffer.from(`+TERM ${reason}`)),
    working: () => settle(ackSubject, working),
  };
};
