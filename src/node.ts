/** A node: `node dist/node.js`. Reads the environment, exits the process, and leaves the rest to `main.ts`. */
import module from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

const least = 22;

// Before anything else is loaded: an old Node fails on the rest with an error that helps nobody.
if (Number(process.versions.node.split('.')[0]) < least) {
  process.stderr.write(
    `troupe needs Node ${least} or later; this is ${process.version} (npm run and npx use the one in node_modules)\n`,
  );
  process.exit(2);
}

// V8 looks at what survives its first collections, and makes such objects in the old generation from then on. In a node that
// starts with a backlog that is what a task consists of: then each task is kept until the next full collection.
setFlagsFromString('--no-allocation-site-pretenuring');

// A restart takes a quarter less. In a directory of the user's own, as what is in there is run; without one, not at all.
const { HOME, XDG_CACHE_HOME = HOME && join(HOME, '.cache') } = process.env;
if (XDG_CACHE_HOME) module.enableCompileCache?.(join(XDG_CACHE_HOME, 'troupe', 'compiled'));

const { main } = await import('./main.ts');
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
process.exit(await main({ env: process.env, argv: process.argv.slice(2), signal: stop.signal }));
