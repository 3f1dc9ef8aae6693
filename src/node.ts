/** A node: `node dist/node.js`. Reads the environment, exits the process, and leaves the rest to `main.ts`. */
const least = 22;

// Before anything else is loaded: an old Node fails on the rest with an error that helps nobody.
if (Number(process.versions.node.split('.')[0]) < least) {
  process.stderr.write(
    `troupe needs Node ${least} or later; this is ${process.version} (npm run and npx use the one in node_modules)\n`,
  );
  process.exit(2);
}

const { main } = await import('./main.ts');
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
process.exit(await main({ env: process.env, argv: process.argv.slice(2), signal: stop.signal }));
