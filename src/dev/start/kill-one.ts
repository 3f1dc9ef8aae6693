/** Kills one of our own nodes in the middle of its work, tells what becomes of that, and brings it back. */
import type { Clock } from '../../kernel/clock.ts';
import type { Nodes } from './nodes.ts';
import { ended, type Following, until } from './follow.ts';
import { type Takeover, takeovers } from './takeover.ts';
import { counted, seconds, type Terminal } from './terminal.ts';

export interface KillOneOptions {
  readonly nodes: Nodes;
  readonly following: Following;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const victim = 'node-b';

const nodeOf = (worker: string): string => worker.split('.')[0] ?? worker;

const summary = (taken: readonly Takeover[]): string => {
  const times = taken.map(({ afterMs }) => afterMs);
  const [first, last] = [Math.min(...times), Math.max(...times)].map(seconds);
  const span = first === last ? first : `${first} to ${last}`;
  return `${counted(taken.length, 'task')} went on elsewhere, ${span} after the kill`;
};

/** Resolves when the node is back; at once if the batch ends before there is anything to kill for. */
export const killOne = async ({ nodes, following, terminal, clock, signal }: KillOneOptions): Promise<boolean> => {
  const progress = (): number => ended(following.tally()) / following.tally().total;
  const ripe = (): boolean => progress() >= 0.2 && following.heldBy(victim).length > 1;
  await until(following, () => progress() === 1 || ripe(), signal);
  const node = nodes.running.find(({ name }) => name === victim);
  if (!ripe() || !node) return false;

  await nodes.kill(victim);
  const held = counted(following.heldBy(victim).length, 'task');
  terminal.event(`killed ${victim} (process ${node.pid}) with SIGKILL, in the middle of ${held}`);
  terminal.more('JetStream hands them out again when their ack wait is over, 10 s here');
  const taken = await takeovers({
    following,
    node: victim,
    now: () => clock.monotonic(),
    signal,
    taken: ({ item, worker, afterMs }) =>
      terminal.event(
        `${nodeOf(worker)} goes on with ${item.type} ${item.document}, ${seconds(afterMs)} after the kill`,
      ),
  });
  if (taken.length > 1) terminal.event(summary(taken));
  const { pid } = await nodes.bringBack(victim);
  terminal.event(`${victim} is back, as process ${pid}`);
  return true;
};
