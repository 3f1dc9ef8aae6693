/**
 * Who waits, by their clients' latest lists. A list that is not renewed is forgotten, for its client could not use what it
 * would be granted; when it is there again, each of its requests has its old place, by how long it has waited.
 */
import type { Amount } from '../budget.ts';
import { type FairQueue, fairQueue, type Queued } from './fair-queue.ts';
import type { Acquire, Refusal, Wish } from '../messages.ts';
import { isNext, type PermitId } from '../permit-id.ts';

export interface Waiting extends Queued {
  readonly client: Client;
  readonly id: number;
  readonly amount: Amount;
  readonly holdMs: number;
}

/** Permits for requests in a row. */
export interface Granted {
  readonly id: number;
  readonly permit: PermitId;
  count: number;
}

export interface Client {
  readonly name: string;
  /** Its latest list, where the answers to it go, and when it came. */
  n: number;
  reply: string | undefined;
  heardAtMs: number;
  readonly waiting: Map<number, Waiting>;
  /** Granted, and not known to have reached it: in answer to which list. */
  readonly granted: Map<number, { readonly permit: PermitId; readonly n: number }>;
  /** For its next answer. */
  grants: Granted[];
  refused: Refusal[];
  owed: boolean;
}

export interface ListsOptions {
  /** What an amount takes of the budget. */
  readonly costOf: (amount: Amount) => number;
  /** Why an amount is never allowed, if it is not. */
  readonly objection: (amount: Amount) => string | undefined;
  /** A grant was lost on its way and will never be used. */
  readonly lost: (permit: PermitId) => void;
  /** How old a list may be. */
  readonly freshMs: number;
}

export interface Lists {
  readonly queue: FairQueue<Waiting>;
  readonly clients: ReadonlyMap<string, Client>;
  receive(list: Acquire, reply: string | undefined, nowMs: number): void;
  /** The head has been granted. */
  granted(waiting: Waiting, permit: PermitId): void;
  /** Forgets lists that are not fresh any more. */
  expire(nowMs: number): void;
}

export const lists = ({ costOf, objection, lost, freshMs }: ListsOptions): Lists => {
  const queue = fairQueue<Waiting>();
  const clients = new Map<string, Client>();

  const leave = (client: Client, waiting: Waiting): void => {
    queue.remove(waiting);
    client.waiting.delete(waiting.id);
  };

  /** Those of the wish that the client's earlier lists did not have. */
  const enter = (client: Client, { id: first, count, lane, tenant, holdMs, ...wish }: Wish, nowMs: number): void => {
    const { requests, tokens, inputTokens, outputTokens } = wish;
    const amount = { requests, tokens, inputTokens, outputTokens };
    const why = objection(amount);
    const cost = costOf(amount);
    const sinceMs = nowMs - wish.waitedMs;
    for (let id = first; id < first + count; id += 1) {
      if (client.waiting.has(id) || client.granted.has(id)) continue;
      if (why !== undefined) {
        client.refused.push({ id, message: why });
        continue;
      }
      const waiting: Waiting = { client, id, amount, holdMs, lane, tenant, cost, sinceMs };
      client.waiting.set(id, waiting);
      queue.add(waiting);
    }
  };

  const update = (client: Client, { live, adds, waiting }: Acquire, nowMs: number): void => {
    if (!adds) drop(client, waiting, live);
    for (const wish of waiting) enter(client, wish, nowMs);
  };

  /** Who does not wait any more, and who has lost their grant. */
  const drop = (client: Client, waiting: Acquire['waiting'], live: number): void => {
    if (client.waiting.size === 0 && client.granted.size === 0) return;
    const listed = new Set<number>();
    for (const { id, count } of waiting) for (let place = 0; place < count; place += 1) listed.add(id + place);
    for (const [id, each] of client.waiting) if (!listed.has(id)) leave(client, each);
    for (const [id, { permit, n }] of client.granted) {
      if (listed.has(id) && n >= live) continue;
      client.granted.delete(id);
      if (listed.has(id)) lost(permit);
    }
  };

  return {
    queue,
    clients,
    receive: (list, reply, nowMs) => {
      const client = clients.get(list.client) ?? newClient(list.client);
      if (list.n < client.n) return; // Overtaken on its way.
      clients.set(list.client, client);
      Object.assign(client, { n: list.n, reply, heardAtMs: nowMs, owed: true });
      update(client, list, nowMs);
    },
    granted: (waiting, permit) => {
      const { client, id } = waiting;
      queue.take();
      client.waiting.delete(id);
      client.granted.set(id, { permit, n: client.n });
      const last = client.grants.at(-1);
      if (last && id === last.id + last.count && isNext(permit, last.permit, last.count)) last.count += 1;
      else client.grants.push({ id, permit, count: 1 });
      client.owed = true;
    },
    expire: (nowMs) => {
      for (const [name, client] of clients) {
        if (nowMs - client.heardAtMs <= freshMs) continue;
        for (const waiting of client.waiting.values()) leave(client, waiting);
        if (client.granted.size === 0 || nowMs - client.heardAtMs > forgetMs) clients.delete(name);
      }
    },
  };
};

/** After that a client that has said nothing is not waited for: what it was granted is counted until it is confirmed anyway. */
const forgetMs = 60_000;

const newClient = (name: string): Client => ({
  name,
  n: 0,
  reply: undefined,
  heardAtMs: 0,
  waiting: new Map(),
  granted: new Map(),
  grants: [],
  refused: [],
  owed: false,
});
