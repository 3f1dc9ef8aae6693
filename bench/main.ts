/** `npm run bench`: measures, says as it goes what came out, prints a table, and writes JSON where it is told to. */
import { writeFile } from 'node:fs/promises';
import { environmentOf } from './environment.ts';
import { newFigures } from './figures.ts';
import { flow } from './flow.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { type Options, parseOptions, type Section, usage } from './options.ts';
import { recovery } from './recovery.ts';
import { jsonOf, type Measured, textOf } from './report.ts';
import { model } from './model.ts';
import { permits } from './permits.ts';
import { type History, redisVersion, startHistory, withDir } from './servers.ts';
import { submit } from './submit.ts';
import { throughput } from './throughput.ts';

const say = (what: string): void => void process.stderr.write(`${what}\n`);

/** `undefined`, and why, where Postgres cannot be had. */
const historyIn = (dir: string): Promise<History | undefined> =>
  startHistory(dir).catch((error: unknown) => {
    say(`no Postgres, so nothing is projected: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  });

const measure = ({ only, tasks, rounds }: Options): Promise<Measured> =>
  withDir(async (dir) => {
    const redis = await redisVersion();
    if (redis === undefined) say('no redis-server on PATH (apt-get install redis-server): BullMQ is not measured');
    const history = await historyIn(dir);
    const environment = await environmentOf({ tasks, rounds, redis, postgres: history !== undefined });
    const figures = newFigures();
    const options = { tasks, warmUp: tasks, rounds, redis: redis !== undefined, history, say };
    const run: Record<Section, () => Promise<void>> = {
      throughput: () => throughput(figures, options),
      flow: () => flow(figures, options),
      submit: () => submit(figures, options),
      latency: () => latency(figures, options),
      recovery: () => recovery(figures, say),
      memory: () => memory(figures, options),
      permits: () => permits(figures, options),
      model: () => model(figures, options),
    };
    try {
      for (const section of only) {
        // What fails has no figures; the rest may have.
        await run[section]().catch((error: unknown) => {
          say(`${section} failed: ${error instanceof Error ? error.stack : String(error)}`);
          process.exitCode = 1;
        });
      }
      return { figures, environment };
    } finally {
      await history?.stop();
    }
  });

const options = parseOptions(process.argv.slice(2));
if (options) {
  const measured = await measure(options);
  process.stdout.write(`\n${textOf(measured)}\n`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(jsonOf(measured), undefined, 2)}\n`);
} else process.stdout.write(usage);
