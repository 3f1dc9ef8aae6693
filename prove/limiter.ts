/** `npm run prove:limiter`: shows, or fails to show, that no window at the provider ever holds more than its budget. */
import { percent } from './checker.ts';
import { parseOptions, usage } from './options.ts';
import { type Proof, prove } from './prove.ts';

const text = ({
  passed,
  objections,
  windows,
  phases,
  tenants,
  refused,
  arrivals,
  left,
  notes,
  ...proof
}: Proof): string =>
  [
    '',
    ...windows.map(
      ({ unit, limit, perMs, counted, fullest, over }) =>
        `${unit}, by their ${counted === 'atMs' ? 'last' : 'first'} byte: at most ${fullest.sum} of ${limit} in any ${perMs / 1_000} s; ${over} windows over`,
    ),
    `${arrivals} requests arrived; ${refused} were answered 429`,
    ...phases.map(
      ({ name, utilisation, required, windows: n }) =>
        `${name}: ${percent(utilisation)} used, over ${n.toFixed(1)} windows; ${percent(required)} asked for`,
    ),
    ...tenants.map(
      ({ tenant, count, medianMs, longestMs }) =>
        `${tenant} waited ${count} times: ${Math.round(medianMs)} ms in the middle, ${Math.round(longestMs)} ms at most (the workers' word)`,
    ),
    left
      ? `${left.reserved} reserved, ${Math.round(left.afterMs)} ms after the drain began (the limiter's word)`
      : 'the limiter did not answer after the drain',
    `faults: ${JSON.stringify(proof.faults)}`,
    `assumptions: ${JSON.stringify(proof.assumptions)}`,
    ...notes.map((note) => `note: ${note}`),
    ...objections.map((sentence) => `OBJECTION: ${sentence}`),
    passed ? 'PASSED' : 'NOT PASSED',
    '',
  ].join('\n');

const options = parseOptions(process.argv.slice(2));
if (options) {
  const proof = await prove(options, (what) => void process.stderr.write(`${what}\n`));
  process.stdout.write(text(proof));
  process.stdout.write(`${options.out}/verdict.json and ${options.out}/arrivals.svg say more\n`);
  process.exitCode = proof.passed ? 0 : 1;
} else process.stdout.write(usage);
