/** The account, and what to do next, as lines for a terminal. */
import type { Arrival } from '../model-server.ts';
import type { Account, Outcomes } from './account.ts';
import { type Item, taskTypes } from './batch.ts';
import { counted } from './terminal.ts';

export interface Places {
  readonly natsUrl: string;
  /** A file that holds the database's URL, with its password. */
  readonly postgresUrlFile: string;
  readonly httpUrl: string;
}

const figures = ['done', 'failed', 'dead'] as const satisfies readonly (keyof Outcomes)[];

const row = (name: string, cells: readonly (string | number)[]): string =>
  `  ${name.padEnd(14)}${cells.map((cell) => cell.toLocaleString('en').padStart(8)).join('')}`;

const line = (name: string, text: string): string => `  ${name.padEnd(14)}  ${text}`;

const plural = (items: number): string => counted(items, 'task');

/** `arrivals`: the simulated model's own log, of this start only; absent where the model is real. */
export const accountLines = (account: Account, batch: string, arrivals?: readonly Arrival[]): readonly string[] => {
  const { byType, together, calls, rows, records, differing } = account;
  const total = together.done + together.failed + together.dead + together.other;
  const of = (outcome: Outcomes): readonly number[] => figures.map((figure) => outcome[figure]);
  return [
    `Account of batch ${batch}: what Postgres and the KV records say`,
    row('', figures),
    ...taskTypes.map((type) => row(type, of(byType[type]))),
    row('together', of(together)),
    ...(together.other > 0 ? [line('open', `${plural(together.other)} cancelled or not ended`)] : []),
    '',
    line('taken over', `${plural(account.takenOver)} went on at another worker after theirs was gone`),
    line('retried', `${plural(account.retried)} failed, were tried again and ended otherwise`),
    line(
      'model calls',
      `${counted(calls.made, 'call')} made, ${counted(calls.replayed, 'time')} replayed from the record`,
    ),
    ...(arrivals ? [line('', serverWord(arrivals))] : []),
    line('tokens', `${calls.inputTokens.toLocaleString('en')} in, ${calls.outputTokens.toLocaleString('en')} out`),
    line('agreement', agreement({ total, rows, records, differing })),
  ];
};

const serverWord = (arrivals: readonly Arrival[]): string => {
  const count = (outcome: Arrival['outcome']): string =>
    arrivals.filter((arrival) => arrival.outcome === outcome).length.toLocaleString('en');
  return `the model's own log since this start: ${count('answered')} answered, ${count('refused')} refused with 429`;
};

interface Agreement extends Pick<Account, 'rows' | 'records' | 'differing'> {
  readonly total: number;
}

const agreement = ({ total, rows, records, differing }: Agreement): string => {
  const counts = `${rows.toLocaleString('en')} of ${counted(total, 'row')} in Postgres, ${counted(records, 'record')} in KV`;
  if (differing.length === 0) return `${counts}: all equal`;
  return `${counts}: ${plural(differing.length)} DIFFER, first ${differing[0]?.key ?? ''}`;
};

/** Where to look: a completed task, and a dead one if there is any. */
export const placeLines = (account: Account, batch: string, first: Item, places: Places): readonly string[] => {
  const dead = account.dead[0];
  const sql = (query: string): string => `psql "$(cat ${places.postgresUrlFile})" -c "${query.replaceAll('"', '\\"')}"`;
  const ofBatch = `from tasks where "group" = '${batch}'`;
  return [
    'Where it is',
    line('each result', sql(`select id, result ${ofBatch} and type = '${first.type}' limit 3`)),
    line('one of them', `nats kv get tasks ${first.key} --raw`),
    line('', `curl ${places.httpUrl}/tasks/${first.type}/${first.id}`),
    line('history', sql(`select type, status, count(*) ${ofBatch} group by 1, 2`)),
    ...(dead ? [line('a dead letter', `nats stream get DLQ --last-for 'dlq.*.*.${dead.key}'`)] : []),
  ];
};

/** `natsUrl` is named where it is not where `nats` looks by itself. */
export const nextLines = (dead: Item | undefined, { natsUrl, httpUrl }: Places): readonly string[] => [
  'What to try next (nats is from https://github.com/nats-io/natscli; the last line does without)',
  ...(natsUrl === 'nats://127.0.0.1:4222' ? [] : [`  export NATS_URL=${natsUrl}`]),
  `  nats req submit.summarise '{"document":"gettysburg-address"}'`,
  `  nats req submit.extract '{"document":"us-declaration-of-independence-part-1"}'`,
  dead ? `  nats req retry.${dead.key} ''` : `  nats kv watch tasks`,
  `  curl ${httpUrl}/tasks/summarise -H 'content-type: application/json' -d '{"document":"gettysburg-address"}'`,
];
