// Fails when a module under src/ imports what its layer may not (layers.ts), or when modules import in a circle.
// Values are checked by dependency-cruiser over the build, because it cannot read TypeScript 7; types, which the build
// no longer has, over the sources.
import { glob, readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { cruise } from 'dependency-cruiser';
import { objection } from './layers.ts';

interface Findings {
  readonly modules: number;
  readonly mistakes: readonly string[];
}

/** A check that reads nothing finds nothing. */
const modulesMin = 20;

const imports = /(?:^|;)\s*(?:import|export)\s+(type\s)?[^;'"]*?\bfrom\s+'([^']+)'|\bimport\('([^']+)'\)/gm;

/** What the linter's rules for clocks and timers cannot express. */
const ownTime = /\bnew Date\(\)|\bglobalThis\.set(Timeout|Interval|Immediate)\b/;

const packageName = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const inSource = (file: string, text: string): readonly string[] => {
  const mistakes: string[] = [];
  if (!file.startsWith('kernel/') && ownTime.test(text)) {
    mistakes.push(`src/${file} reads a clock or sets a timer of its own: take a Clock`);
  }
  for (const [, type, fixed, dynamic] of text.matchAll(imports)) {
    const specifier = fixed ?? dynamic ?? '';
    if (specifier.startsWith('node:')) continue;
    const packaged = !specifier.startsWith('.');
    const target = packaged ? packageName(specifier) : posix.join(dirname(file), specifier);
    const why = objection(file, { target, packaged, typeOnly: type !== undefined });
    if (why !== undefined) mistakes.push(why);
  }
  return mistakes;
};

const inSources = async (): Promise<Findings> => {
  const mistakes: string[] = [];
  let modules = 0;
  for await (const path of glob('**/*.ts', { cwd: 'src' })) {
    modules++;
    mistakes.push(...inSource(path.replaceAll('\\', '/'), await readFile(join('src', path), 'utf8')));
  }
  return { modules, mistakes };
};

const inBuild = async (): Promise<Findings> => {
  const { output } = await cruise(['dist'], {
    doNotFollow: { path: 'node_modules' },
    validate: true,
    ruleSet: { forbidden: [{ name: 'no-circular', severity: 'error', from: {}, to: { circular: true } }] },
  });
  if (typeof output === 'string') throw new Error(`dependency-cruiser answered with text: ${output}`);
  const ours = output.modules.filter(({ source }) => source.startsWith('dist/'));
  const mistakes = output.summary.violations.map(
    ({ from, cycle = [] }) => `a circle: ${[from, ...cycle.map(({ name }) => name)].join(' → ')}`,
  );
  for (const { source, dependencies } of ours) {
    for (const { module, resolved, coreModule } of dependencies) {
      if (coreModule) continue;
      const packaged = !resolved.startsWith('dist/');
      const target = packaged ? packageName(module) : resolved.slice('dist/'.length);
      const why = objection(source.slice('dist/'.length), { target, packaged, typeOnly: false });
      if (why !== undefined) mistakes.push(why);
    }
  }
  return { modules: ours.length, mistakes: mistakes.map((why) => why.replaceAll('.js', '.ts')) };
};

const [sources, build] = [await inSources(), await inBuild()];
const mistakes = new Set([...sources.mistakes, ...build.mistakes]);
for (const [folder, { modules }] of Object.entries({ src: sources, dist: build })) {
  if (modules < modulesMin) mistakes.add(`only ${modules} modules were read in ${folder}/: this check checks nothing`);
}
for (const mistake of mistakes) console.error(mistake);
console.log(`layers: ${sources.modules} sources, ${build.modules} built modules, ${mistakes.size} mistakes`);
process.exitCode = mistakes.size === 0 ? 0 : 1;
