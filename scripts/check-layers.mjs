// Fails when a module under src/ imports what its layer may not (scripts/layers.mjs), or when modules import in a circle.
// Values are checked by dependency-cruiser over the build, because it cannot read TypeScript 7; types, which the build
// no longer has, over the sources.
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { cruise } from 'dependency-cruiser';
import { objection } from './layers.mjs';

// A check that reads nothing finds nothing.
const modulesMin = 20;

const packageName = (specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const wordsOnlyOfTheKernel = /\bnew Date\(\)|\bglobalThis\.(setTimeout|setInterval|setImmediate)\b/;

const imports = /^(?:import|export)\s+(type\s)?[^;'"]*?\bfrom\s+'([^']+)'|\bimport\('([^']+)'\)/gm;

const inSources = async () => {
  const found = [];
  let count = 0;
  for await (const path of glob('**/*.ts', { cwd: 'src' })) {
    const file = path.replaceAll('\\', '/');
    const text = readFileSync(join('src', file), 'utf8');
    count++;
    if (!file.startsWith('kernel/') && wordsOnlyOfTheKernel.test(text)) {
      found.push(`src/${file} has a clock or timer of its own: take a Clock`);
    }
    for (const [, type, statement, dynamic] of text.matchAll(imports)) {
      const specifier = statement ?? dynamic;
      if (specifier.startsWith('node:')) continue;
      const packaged = !specifier.startsWith('.');
      const target = packaged ? packageName(specifier) : posix.join(dirname(file), specifier);
      const why = objection(file, target, { type: type !== undefined, packaged });
      if (why !== undefined) found.push(why);
    }
  }
  return { found, count };
};

const inBuild = async () => {
  const result = await cruise(
    ['dist'],
    {
      outputType: 'json',
      doNotFollow: { path: 'node_modules' },
      exclude: { path: '^node:' },
      ruleSet: { forbidden: [{ name: 'no-circular', severity: 'error', from: {}, to: { circular: true } }] },
      validate: true,
    },
    { bustTheCache: true },
  );
  const { modules, summary } = JSON.parse(result.output);
  const ours = modules.filter(({ source }) => source.startsWith('dist/'));
  const found = summary.violations.map(
    ({ from, cycle }) => `a circle: ${[from, ...cycle.map(({ name }) => name)].join(' → ')}`,
  );
  for (const { source, dependencies } of ours) {
    for (const { module, resolved, coreModule } of dependencies) {
      if (coreModule) continue;
      const packaged = !resolved.startsWith('dist/');
      const target = packaged ? packageName(module) : resolved.slice('dist/'.length);
      const why = objection(source.slice('dist/'.length), target, { type: false, packaged });
      if (why !== undefined) found.push(why);
    }
  }
  return { found, count: ours.length };
};

const sources = await inSources();
const build = await inBuild();
const mistakes = [...new Set([...sources.found, ...build.found.map((why) => why.replaceAll('.js', '.ts'))])].sort(
  (a, b) => a.localeCompare(b),
);
for (const [what, { count }] of Object.entries({ src: sources, dist: build })) {
  if (count < modulesMin) mistakes.push(`only ${count} modules were read in ${what}/: this check checks nothing`);
}
for (const mistake of mistakes) console.error(mistake);
console.log(`layers: ${sources.count} sources, ${build.count} built modules, ${mistakes.length} mistakes`);
process.exitCode = mistakes.length === 0 ? 0 : 1;
