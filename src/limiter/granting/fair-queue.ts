/**
 * Whose turn it is. Lanes are served in the proportion of their weights (stride scheduling), and within a lane tenants in
 * turns, each as much as the others (deficit round robin), the oldest of a tenant first. Who is at the head stays there
 * until taken or gone, so that a large request is not passed over for ever by small ones that fit.
 */
import { type Lane, lanes as inOrder } from '../../bus/subjects.ts';

export interface Queued {
  readonly lane: Lane;
  readonly tenant: string;
  /** What it takes of the budget; any unit, as long as it is the same for all. */
  readonly cost: number;
  /** When it began to wait, on the limiter's clock. */
  readonly sinceMs: number;
}

export interface FairQueue<Item extends Queued> {
  readonly size: () => number;
  add(item: Item): void;
  remove(item: Item): void;
  /** Whose turn it is. */
  head(): Item | undefined;
  /** Removes the head, and charges its lane and tenant. */
  take(): void;
}

/** How often each lane is served while all of them wait. */
const weights: Readonly<Record<Lane, number>> = { high: 8, normal: 4, low: 1 };

interface Tenant<Item> {
  readonly items: Item[];
  deficit: number;
}

/** One lane: the tenants that wait, in the order of their turns. */
interface LaneQueue<Item> {
  readonly weight: number;
  readonly tenants: Map<string, Tenant<Item>>;
  /** How much it has been given, by its weight. */
  pass: number;
}

export const fairQueue = <Item extends Queued>(): FairQueue<Item> => {
  const lanes = new Map<Lane, LaneQueue<Item>>();
  let size = 0;
  let chosen: Item | undefined;

  const laneOf = (lane: Lane): LaneQueue<Item> => {
    const known = lanes.get(lane) ?? { weight: weights[lane], tenants: new Map(), pass: 0 };
    // A lane that was empty has nothing to make up for.
    if (known.tenants.size === 0) known.pass = Math.max(known.pass, leastPass());
    lanes.set(lane, known);
    return known;
  };

  const leastPass = (): number => {
    const passes = [...lanes.values()].filter(({ tenants }) => tenants.size > 0).map(({ pass }) => pass);
    return passes.length === 0 ? 0 : Math.min(...passes);
  };

  const drop = (item: Item): boolean => {
    const lane = lanes.get(item.lane);
    const tenant = lane?.tenants.get(item.tenant);
    const index = tenant?.items.indexOf(item) ?? -1;
    if (!lane || !tenant || index === -1) return false;
    tenant.items.splice(index, 1);
    if (tenant.items.length === 0) lane.tenants.delete(item.tenant);
    size -= 1;
    if (chosen === item) chosen = undefined;
    return true;
  };

  const choose = (): Item | undefined => {
    let best: LaneQueue<Item> | undefined;
    for (const name of inOrder) {
      const lane = lanes.get(name);
      if (lane && lane.tenants.size > 0 && (!best || lane.pass < best.pass)) best = lane;
    }
    return best && nextOf(best.tenants);
  };

  return {
    size: () => size,
    add: (item) => {
      const { tenants } = laneOf(item.lane);
      const tenant = tenants.get(item.tenant) ?? { items: [], deficit: 0 };
      tenants.set(item.tenant, tenant);
      const later = tenant.items.findLastIndex(({ sinceMs }) => sinceMs <= item.sinceMs);
      tenant.items.splice(later + 1, 0, item);
      size += 1;
    },
    remove: (item) => void drop(item),
    head: () => {
      chosen ??= choose();
      return chosen;
    },
    take: () => {
      const item = chosen;
      if (!item) return;
      const lane = lanes.get(item.lane);
      const tenant = lane?.tenants.get(item.tenant);
      if (lane) lane.pass += item.cost / lane.weight;
      if (tenant) tenant.deficit -= item.cost;
      drop(item);
    },
  };
};

/** The oldest of the tenant whose turn it is; those who could not afford theirs go to the end, a quantum richer. */
const nextOf = <Item extends Queued>(tenants: Map<string, Tenant<Item>>): Item | undefined => {
  let quantum = 0;
  for (const { items } of tenants.values()) quantum = Math.max(quantum, items[0]?.cost ?? 0);
  for (;;) {
    const [first] = tenants;
    if (!first) return undefined;
    const [name, tenant] = first;
    const [item] = tenant.items;
    if (item && tenant.deficit >= item.cost) return item;
    tenant.deficit += Math.max(quantum, Number.MIN_VALUE);
    if (tenants.size === 1) continue;
    tenants.delete(name);
    tenants.set(name, tenant);
  }
};
