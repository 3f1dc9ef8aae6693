/** `npm run prove:journal`: shows, or fails to show, that no call is made again whose result was recorded. */
import { parseOptions, usage } from './journal/options.ts';
import { type Proof, prove } from './journal/prove.ts';

const text = (proof: Proof): string => {
  const { completed, tasks, attempts, seconds, provider, tools, kills, objections } = proof;
  const killed = Object.values(kills).reduce((sum, of) => sum + of, 0);
  return [
    '',
    `${completed} of ${tasks} tasks were completed, in ${attempts} attempts and ${seconds.toFixed(0)} s`,
    `the provider was called ${provider.arrivals} times for ${provider.calls} calls, the tools ${tools.arrivals} times for ${tools.calls}`,
    `nodes were killed with -9 ${killed} times: ${JSON.stringify(kills)}`,
    `${proof.spared} results were recorded when a later attempt began`,
    `calls made again whose result had been recorded: ${proof.repeatedRecorded.length}`,
    `calls made again whose result had not been recorded: ${proof.otherRepeats}, by ${killed} kills`,
    ...(proof.missed > 0 ? [`${proof.missed} revisions of records were replaced before they could be read`] : []),
    ...objections.map((sentence) => `OBJECTION: ${sentence}`),
    proof.passed ? 'PASSED' : 'NOT PASSED',
    '',
  ].join('\n');
};

const options = parseOptions(process.argv.slice(2));
if (options) {
  const proof = await prove(options, (what) => void process.stderr.write(`${what}\n`));
  process.stdout.write(text(proof));
  process.stdout.write(`${options.out}/verdict.json says more\n`);
  process.exitCode = proof.passed ? 0 : 1;
} else process.stdout.write(usage);
