import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as troupe from 'troupe';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../src/kernel/metrics.ts';

const source = join(import.meta.dirname, '../../src');

interface Named {
  readonly name: string;
  readonly file: string;
}

/** What a file exports from others: `export { a, type B } from './c.ts'`. */
const reExports = (file: string): readonly Named[] =>
  [...readFileSync(file, 'utf8').matchAll(/export (?:type )?\{([^}]*)\} from '([^']+)'/g)].flatMap(
    ([, list = '', from = '']) =>
      list
        .split(',')
        .map((item) => item.trim().replace(/^type /, ''))
        .filter((name) => name !== '')
        .map((name) => ({ name, file: join(dirname(file), from) })),
  );

/** The doc comment right above a declaration; remarks for tools may stand between. */
const docOf = ({ name, file }: Named): string | undefined => {
  const declaration = new RegExp(`((?:.*\\n)*?)export (?:const|function|class|interface|type) ${name}\\b`);
  const above = declaration.exec(readFileSync(file, 'utf8'))?.[1];
  if (above !== undefined) return /\/\*\*((?:(?!\*\/)[^])*)\*\/\n(?:\s*\/\/.*\n)*$/.exec(above)?.[1];
  const further = reExports(file).find((other) => other.name === name);
  return further && docOf(further);
};

describe('a public export', () => {
  const exported = reExports(join(source, 'index.ts'));

  test('is named: there are no others', () => {
    const lines = readFileSync(join(source, 'index.ts'), 'utf8').split('\n');
    expect(lines.filter((line) => /^(import|export \*|export default|export (const|function))/.test(line))).toEqual([]);
    expect(exported.length).toBeGreaterThan(30);
  });

  test.each(exported.map((each) => [each.name, each] as const))(
    'has a doc comment that says something: %s',
    (_, each) => {
      expect(
        docOf(each)
          ?.replace(/[\s*]+/g, ' ')
          .trim().length,
      ).toBeGreaterThan(15);
    },
  );
});

describe('docs/api.md', () => {
  const page = readFileSync(join(source, '../docs/api.md'), 'utf8');
  const errors = Object.keys(troupe).filter(
    (name) => /[a-z]Error$/.test(name) && name !== 'TroupeError' && !name.startsWith('is'),
  );

  test.each(errors)('has a line for %s, with its code', (name) => {
    const code = name
      .replace(/Error$/, '')
      .replace(/\B[A-Z]/g, '_$&')
      .toLowerCase();
    expect(page).toContain(`| \`${name}\` | \`${code}\` |`);
  });

  test('names every function there is to call', () => {
    const functions = Object.keys(troupe).filter((name) => /^[a-z]/.test(name));
    expect(functions.filter((name) => !page.includes(`\`${name}(`))).toEqual([]);
  });
});

describe('docs/operations.md', () => {
  const page = readFileSync(join(source, '../docs/operations.md'), 'utf8');

  test('names every setting of a node', () => {
    const settings = [...readFileSync(join(source, 'config.ts'), 'utf8').matchAll(/^  ([A-Z_]+): /gm)].map(
      ([, name = '']) => name,
    );
    expect(settings.length).toBeGreaterThan(15);
    expect(settings.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  test('names every metric, and none that is not there', async () => {
    const text = await createMetrics().text();
    const metrics = [...text.matchAll(/^# TYPE troupe_(\S+)/gm)].map(([, name = '']) => name);
    expect(metrics.filter((name) => !new RegExp(`\`${name}[\`{]`).test(page))).toEqual([]);
    const named = [...page.matchAll(/^\| (`[^|]*`) \|/gm)]
      .flatMap(([, cell = '']) => [...cell.matchAll(/`([a-z_]+)/g)])
      .map(([, name = '']) => name);
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((name) => !metrics.includes(name))).toEqual([]);
  });
});

test.each(['app.ts', 'submit.ts'])('the README shows an app that compiles: %s', (file) => {
  const page = readFileSync(join(source, '../README.md'), 'utf8');
  expect(page).toContain(`\`\`\`ts\n${readFileSync(join(import.meta.dirname, 'readme', file), 'utf8')}\`\`\``);
});

describe('the pages', () => {
  const root = join(source, '..');
  const pages = ['.', 'docs', 'docs/adr'].flatMap((dir) =>
    readdirSync(join(root, dir)).flatMap((name) => (name.endsWith('.md') ? [join(dir, name)] : [])),
  );
  const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');
  /** As they are made of headings where Markdown is shown. */
  const anchorsOf = (page: string): readonly string[] =>
    [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );

  test.each(pages)('%s links to what there is', (page) => {
    for (const [, to = '', anchor] of textOf(page).matchAll(/\]\(([^)#:]*)(?:#([^)]*))?\)/g)) {
      const target = to === '' ? page : join(dirname(page), to);
      expect(existsSync(join(root, target)), target).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(target)).toContain(anchor);
    }
  });

  test.each(pages)('%s names files that there are', (page) => {
    const named = [...textOf(page).matchAll(/`([a-z]+\/[\w./-]+\.(?:ts|mjs|md|json|conf|sh))`/g)].map(
      ([, file = '']) => file,
    );
    expect(named.filter((file) => !existsSync(join(root, file)) && !existsSync(join(source, file)))).toEqual([]);
  });
});
