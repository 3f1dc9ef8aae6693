/**
 * Pulling from a durable consumer. A delivery carries the stream's subject, not the inbox it was asked for from,
 * and the server serves open pulls in turn; so each open pull has a subscription of its own (a slot, used again
 * when its pull has ended), and what arrives there counts for that pull alone. A pull's statuses come to
 * `<inbox>.<slot>.<number of the pull>`, which tells them from those of the slot's earlier pulls.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { atMost, type Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { Consumer, PullHandlers, PullRequest } from '../queue.ts';
import { deliveryOf, parseAckSubject, type Settle } from './delivery.ts';
import { statuses, statusOf, statusText } from './headers.ts';
import type { ServerTime } from './server-time.ts';

/**
 * How long a pull that does not wait may hear nothing. The server answers it at once, but for one case: where it has
 * messages and the consumer's limit of unsettled deliveries is reached, it says nothing (2.15.1). To give it an expiry
 * instead would make it wait for that when there is nothing, and end early when the server is busy. Nor is it taken back
 * early: what a busy server sends to it afterwards is handed out twice (after 250 ms, 55 of 20,000 with every write synced;
 * after 1,000 ms none).
 */
const noWaitMs = 1_000;
/** Over what the server was told, before a pull counts as lost. */
const graceMs = 1_000;
const drainMs = 2_000;
const heartbeatsMissed = 2.5;

export interface PullOptions {
  readonly connection: NatsConnection;
  readonly inbox: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly time: ServerTime;
  readonly settle: Settle;
}

/** A consumer, and what the connection tells it. */
export interface Pulling extends Consumer {
  /** Once in a while: looks for pulls that nobody has heard of. */
  check(): void;
  connected(): void;
  disconnected(): void;
}

interface Slot {
  readonly inbox: string;
  subscription: Subscription;
  /** The reply subject of the open pull; undefined while the slot is free. */
  open: string | undefined;
  left: number;
  /** How long nothing need be heard. */
  patienceMs: number;
  /** When it counts as lost, if nothing is heard before. */
  lostAtMs: number;
  noWait: boolean;
}

export const consume = (options: PullOptions, stream: string, consumer: string, handlers: PullHandlers): Pulling => {
  const { connection, clock, log, time, settle } = options;
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
  const slots = new Set<Slot>();
  /** Slots of lost pulls: something may still be on its way to them. */
  const retired = new Map<Slot, number>();
  let pulls = 0;
  let made = 0;
  let online = true;
  let closed = false;
  /** Called when a pull has ended. */
  let freed = (): void => {};

  const free = (slot: Slot): void => {
    slot.open = undefined;
    freed();
  };

  const end = (slot: Slot, reason: 'empty' | 'lost'): void => {
    const { left } = slot;
    free(slot);
    if (reason === 'lost') {
      slots.delete(slot);
      retired.set(slot, clock.monotonic() + graceMs + Math.max(0, slot.lostAtMs - clock.monotonic()));
    }
    if (left > 0 && !closed) handlers.ended(left, reason);
  };

  const heard = (slot: Slot): void => {
    slot.lostAtMs = clock.monotonic() + slot.patienceMs;
  };

  /** Without losing what is on its way: the server answers behind it. */
  const takeBack = async (slot: Slot): Promise<void> => {
    slots.delete(slot);
    const drained = await atMost(clock, drainMs, slot.subscription.drain());
    if (slot.open !== undefined) end(slot, drained ? 'empty' : 'lost');
  };

  const delivered = (slot: Slot, message: Msg): void => {
    const position = parseAckSubject(message.reply ?? '');
    if (!position) return log.warn({ subject: message.subject }, 'not a delivery: ignored');
    time.observe(position.at);
    slot.left -= 1;
    if (slot.left === 0) free(slot);
    else heard(slot);
    handlers.deliver(deliveryOf(message, position, settle));
  };

  const status = (slot: Slot, code: number, message: Msg): void => {
    if (message.subject !== slot.open) return;
    if (code === statuses.idle) heard(slot);
    else if (code === statuses.none || code === statuses.timedOut) end(slot, 'empty');
    else {
      log.debug({ stream, consumer, code, status: statusText(message) }, 'a pull was let go');
      end(slot, 'lost');
    }
  };

  const arrived = (slot: Slot, message: Msg): void => {
    // What is thrown in here would end the library's reading for good.
    try {
      const code = statusOf(message);
      if (code === 0) delivered(slot, message);
      else status(slot, code, message);
    } catch (error) {
      log.error({ err: error, stream, consumer }, 'a delivery was not taken');
    }
  };

  const newSlot = (): Slot => {
    made += 1;
    const inbox = `${options.inbox}.${made}`;
    const subscription = connection.subscribe(`${inbox}.*`, { callback: (_error, message) => arrived(slot, message) });
    const slot: Slot = { inbox, subscription, open: undefined, left: 0, patienceMs: 0, lostAtMs: 0, noWait: false };
    slots.add(slot);
    return slot;
  };

  const pull = ({ batch, waitMs }: PullRequest): void => {
    if (closed || batch < 1) return;
    if (!online) return clock.immediate(() => !closed && handlers.ended(batch, 'lost'));
    const slot = [...slots].find(({ open }) => open === undefined) ?? newSlot();
    const heartbeatMs = heartbeat(waitMs);
    pulls += 1;
    slot.open = `${slot.inbox}.${pulls.toString(36)}`;
    slot.left = batch;
    slot.noWait = waitMs === 0;
    slot.patienceMs = slot.noWait ? noWaitMs : heartbeatMs * heartbeatsMissed || waitMs + graceMs;
    heard(slot);
    const ask = slot.noWait
      ? { batch, no_wait: true }
      : { batch, expires: waitMs * 1e6, ...(heartbeatMs > 0 && { idle_heartbeat: heartbeatMs * 1e6 }) };
    connection.publish(subject, JSON.stringify(ask), { reply: slot.open });
  };

  const isLost = (slot: Slot): boolean => slot.open !== undefined && slot.lostAtMs <= clock.monotonic();

  const check = (): void => {
    for (const slot of slots) {
      if (!isLost(slot)) continue;
      if (!slot.noWait) end(slot, 'lost');
      // Where this process stood still, its answer lies in the socket: that is read first. Never rejects.
      else clock.immediate(() => slots.has(slot) && isLost(slot) && void takeBack(slot));
    }
    const nowMs = clock.monotonic();
    for (const [slot, untilMs] of retired) {
      if (untilMs > nowMs) continue;
      retired.delete(slot);
      slot.subscription.unsubscribe();
    }
  };

  /** The server's answers to pulls that do not wait: they are on their way. */
  const answered = (): Promise<void> =>
    new Promise((resolve) => {
      freed = () => {
        if (![...slots].some(({ open, noWait }) => noWait && open !== undefined)) resolve();
      };
      freed();
    });

  return {
    pull,
    check,
    connected: () => {
      online = true;
    },
    disconnected: () => {
      online = false;
      for (const slot of [...slots, ...retired.keys()]) {
        // What was on its way is gone. Were it listened to again, the server would go on with pulls that count as lost.
        slot.subscription.unsubscribe();
        if (slot.open !== undefined) end(slot, 'lost');
      }
      slots.clear();
      retired.clear();
    },
    close: async () => {
      closed = true;
      // What the server hands to an inbox that has gone in that moment counts as handed out, and nobody gets it (2.15.1).
      await atMost(clock, noWaitMs, answered());
      const all = [...slots, ...retired.keys()].map(({ subscription }) => subscription);
      // Drained: the server answers behind what it had sent. Without a connection there is nothing more to come.
      if (online) await atMost(clock, drainMs, Promise.allSettled(all.map((each) => each.drain())));
      for (const each of all) each.unsubscribe();
    },
  };
};

/** Often enough that a lost pull is noticed, seldom enough to cost nothing. Twice in a pull at least, or the server refuses. */
const heartbeat = (waitMs: number): number => (waitMs < 1_000 ? 0 : Math.min(Math.floor(waitMs / 4), 5_000));
