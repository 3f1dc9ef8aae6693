/** One batch, from submit to account. Whatever part of it has ended before is not done again. */
import { z } from 'zod';
import type { Client } from '../../client/types.ts';
import type { Clock } from '../../kernel/clock.ts';
import { RefusedError } from '../../kernel/errors.ts';
import { linked } from '../../kernel/signal.ts';
import type { Bucket } from '../../kv/kv.ts';
import type { Store } from '../../store/store.ts';
import { type Account, accountOf } from './account.ts';
import { type Item, taskTypes } from './batch.ts';
import type { Nodes } from './nodes.ts';
import { ended, type Following, follow, type Tally, until } from './follow.ts';
import { endedBefore, found, projected } from './history.ts';
import { killOne } from './kill-one.ts';
import { counted, type Terminal } from './terminal.ts';

export interface RunOptions {
  /** Before each id, and the group of all. */
  readonly batch: string;
  readonly items: readonly Item[];
  readonly client: Client;
  readonly records: Bucket;
  readonly store: Store;
  readonly nodes: Nodes;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Ends the waiting; what is submitted stays so. */
  readonly signal: AbortSignal;
  /** Absent where one of the nodes has been killed already; called when one has been. */
  readonly killed?: () => Promise<void>;
}

/** What the tasks of the example app take. */
const input = z.object({ document: z.string() });
const summary = z.object({ title: z.string(), summary: z.string() });

const progressMs = 250;

const progressText = (tally: Tally): string => {
  const { total, completed, failed, dead, running, waiting } = tally;
  return `${ended(tally)} of ${total} ended: ${completed} done, ${failed} failed, ${dead} dead; ${running} running, ${waiting} waiting`;
};

/** The same id is the same task, so what was submitted before is only found again. */
const submit = async ({ client, batch, items, terminal }: RunOptions, known: ReadonlySet<string>): Promise<void> => {
  const open = items.filter(({ key }) => !known.has(key));
  for (const type of taskTypes) {
    const mine = open.filter((item) => item.type === type);
    const wanted = mine.map(({ id, document }) => ({ id, group: batch, input: { document } }));
    const { refused } = await client.submitMany({ name: type, input }, wanted);
    const [first] = refused;
    if (first)
      throw new RefusedError(
        `${counted(refused.length, 'task')} refused, first ${mine[first.index]?.key}: ${first.error}`,
      );
  }
  if (open.length > 0) terminal.event(`submitted ${counted(open.length, 'task')}`);
};

const short = (text: string): string => (text.length > 90 ? `${text.slice(0, 89)}…` : text);

const firstResult = async (
  { client, items, terminal }: RunOptions,
  following: Following,
  signal: AbortSignal,
): Promise<void> => {
  const summarised = (): Item | undefined =>
    items.find((item) => item.type === 'summarise' && following.sight(item)?.status === 'completed');
  await until(following, () => summarised() !== undefined || ended(following.tally()) === items.length, signal);
  const item = summarised();
  if (!item) return;
  const output: unknown = await client.run('summarise', item.id).result({ abortSignal: signal });
  const { title, summary: text } = summary.parse(output);
  terminal.event(`the first result: summarise ${item.document}`);
  terminal.more(`title: ${short(title)}`);
  terminal.more(`summary: ${short(text)}`);
};

/** What is there already of a batch that was cut off. */
const tellBefore = (tally: Tally, terminal: Terminal): void => {
  const over = ended(tally);
  if (over === 0) return;
  terminal.event(
    `${over} of ${tally.total} have ended; those that were under way go on from their last step, as soon as`,
  );
  terminal.more('the ack wait of their dead workers is over: 10 s after the last sign of life');
};

/** Resolves when all has ended and Postgres knows. Rejects with the signal's reason. */
export const runBatch = async (options: RunOptions): Promise<Account> => {
  const { items, records, store, terminal, clock, killed } = options;
  const known = await endedBefore(store, items);
  const following = await follow(records, items, known);
  const begunAnew = ended(following.tally()) === 0;
  tellBefore(following.tally(), terminal);
  const shown = clock.every(progressMs, () => terminal.progress(progressText(following.tally())));
  const life = linked(options.signal);
  const { signal } = life;
  const submitting = submit(options, new Set(known.keys()));
  const killOnce = async (done: () => Promise<void>): Promise<void> => {
    await submitting; // An answer that dies with the node would be waited for.
    if (await killOne({ ...options, following, signal })) await done();
  };
  try {
    await Promise.all([
      submitting,
      begunAnew && firstResult(options, following, signal),
      killed && killOnce(killed),
      until(following, () => ended(following.tally()) === items.length, signal),
    ]);
    shown.cancel();
    terminal.rest();
    terminal.event(`all ${counted(items.length, 'task')} have ended`);
    await projected({ store, items, clock, signal });
  } finally {
    shown.cancel();
    terminal.rest();
    life.abort(new Error('the batch is over')); // What still waits in there, after a failure, gives up.
    following.stop();
  }
  return accountOf(await found(store, records, items));
};
