/** The account, and what to do next, as lines for a terminal. */
import type { Arrival } from '../model-server.ts';
import type { Limits } from '../model-window.ts';
import type { Account, Calls, Outcomes } from './account.ts';
import { type Item, taskTypes } from './batch.ts';
import { type Use, usesOf } from './budget.ts';
import { counted, seconds } from './terminal.ts';

/** The simulated model: what it enforces, and its own log, of this start only. */
export interface Simulated {
  readonly limits: Limits;
  readonly arrivals: readonly Arrival[];
}

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

/** `simulated`: absent where the model is real. */
export const accountLines = (account: Account, batch: string, simulated?: Simulated): readonly string[] => {
  const { byType, together, calls, rows, records, differing } = account;
  const total = together.done + together.failed + together.dead + together.other;
  const of = (outcome: Outcomes): readonly number[] => figures.map((figure) => outcome[figure]);
  return [
    `Account of batch ${batch}: what Postgres and the KV records say`,
    row('', figures),
    ...taskTypes.map((type) => row(type, of(byType[type]))),
    row('together', of(together)),
    ...(account.onPurpose > 0
      ? [
          line(
            'on purpose',
            `${account.onPurpose} of the failed and dead: the example's inspect refuses some documents`,
          ),
        ]
      : []),
    ...(together.other > 0 ? [line('open', `${plural(together.other)} cancelled or not ended`)] : []),
    '',
    line('taken over', `${plural(account.takenOver)} went on at another worker after theirs was gone`),
    line('retried', `${plural(account.retried)} failed, were tried again and ended otherwise`),
    line(
      'model calls',
      `${counted(calls.made, 'call')} made, ${counted(calls.replayed, 'time')} replayed from the record`,
    ),
    ...(simulated ? serverWords(simulated, calls).map((words) => line('', words)) : []),
    line('tokens', `${number(calls.inputTokens)} in, ${number(calls.outputTokens)} out`),
    line(
      'cost',
      `$${calls.usd.toFixed(4)}, by the prices in examples/app.ts${simulated ? ': SIMULATED, not paid' : ''}`,
    ),
    ...(simulated ? usesOf(simulated.limits, simulated.arrivals) : []).map((use, index) =>
      line(index === 0 ? 'budget use' : '', useText(use)),
    ),
    line('waiting', waitingText(calls)),
    line('agreement', agreement({ total, rows, records, differing })),
  ];
};

const number = (value: number): string => value.toLocaleString('en');

const serverWords = ({ arrivals }: Simulated, { made }: Calls): readonly string[] => {
  const count = (outcome: Arrival['outcome']): number =>
    arrivals.filter((arrival) => arrival.outcome === outcome).length;
  const [answered, refused] = [count('answered'), count('refused')];
  const verdict = refused === 0 ? 'its limits were never exceeded' : 'its limits were EXCEEDED';
  const unrecorded = answered - made;
  return [
    `the model's own log since this start: ${number(answered)} answered, ${number(refused)} refused with 429: ${verdict}`,
    ...(unrecorded > 0
      ? [`${counted(unrecorded, 'answer')} never recorded: who asked had been killed; asked again`]
      : []),
  ];
};

const windowText = (unit: string, { limit, perMs }: { readonly limit: number; readonly perMs: number }): string =>
  `${number(limit)} ${unit} in any ${perMs / 1_000} s`;

export const limitsText = ({ requests = [], tokens = [], concurrent }: Limits): string =>
  [
    ...[requests].flat().map((limit) => windowText('calls', limit)),
    ...[tokens].flat().map((limit) => windowText('tokens', limit)),
    ...(concurrent === undefined ? [] : [`${number(concurrent)} calls at once`]),
  ].join(', ');

const useText = ({ unit, limit, share, windows, most }: Use): string => {
  const what = `of ${windowText(unit === 'requests' ? 'calls' : unit, limit)}`;
  const used =
    share === undefined ? 'too short to tell' : `${(100 * share).toFixed(1)} % over ${counted(windows, 'window')}`;
  return `${what}: ${used}; ${number(most)} at the most`;
};

/** Asking for a permit takes some ms where nobody has to wait. */
const noticedMs = 100;

/** The median is the upper one of two. */
const waitingText = ({ waitedMs }: Calls): string => {
  const [median = 0, longest = 0] = [waitedMs[Math.floor(waitedMs.length / 2)], waitedMs.at(-1)];
  const held = waitedMs.filter((ms) => ms > noticedMs).length;
  return `${counted(held, 'call')} held back by the budget; for a permit ${seconds(median)} (median), ${seconds(longest)} (longest)`;
};

interface Agreement extends Pick<Account, 'rows' | 'records' | 'differing'> {
  readonly total: number;
}

const agreement = ({ total, rows, records, differing }: Agreement): string => {
  const counts = `${number(rows)} of ${counted(total, 'row')} in Postgres, ${counted(records, 'record')} in KV`;
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
  dead ? `  nats req retry.${dead.key} ''   # what failed on purpose does so again` : `  nats kv watch tasks`,
  `  curl ${httpUrl}/tasks/summarise -H 'content-type: application/json' -d '{"document":"gettysburg-address"}'`,
];
