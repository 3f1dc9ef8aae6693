/** docs/nats-cli.md, as commands with what they are said to answer. */
import { readFileSync } from 'node:fs';

export interface Recipe {
  readonly section: string;
  /** As it is typed. */
  readonly line: string;
  /** Lines, where … stands for anything. */
  readonly output: readonly string[];
}

export const text = readFileSync(new URL('../../docs/nats-cli.md', import.meta.url), 'utf8');

const recipesOf = (block: string, section: string): readonly Recipe[] =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [line = '', ...output] = part.trimEnd().split('\n');
      return { section, line, output: output.filter((each) => each.trim() !== '') };
    });

export const recipes: readonly Recipe[] = text
  .split(/^## /m)
  .slice(1)
  .flatMap((section) =>
    [...section.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) =>
      recipesOf(block, section.slice(0, section.indexOf('\n'))),
    ),
  );

/** Everything in code: blocks, and what stands between backticks in the prose. */
export const code: readonly string[] = [
  ...recipes.flatMap(({ line, output }) => [line, ...output]),
  ...[...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/`([^`]+)`/g)].map(([, span = '']) =>
    span.replaceAll('\n', ' '),
  ),
];

/** The words of a command line, as a shell would pass them on. */
export const words = (line: string): readonly string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');

/** What differs from run to run. */
const varying: readonly (readonly [RegExp, string])[] = [
  [/^\d\d:\d\d:\d\d /gm, ''],
  [/(?!2099)\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)?/g, '<time>'],
  [/ \(\S+\) on /g, ' on '],
  [/"w":"[^"]*"/g, '<writer>'],
  [/Troupe-Nonce: \S+/g, '<nonce>'],
  [/(?<![\w-])[\w-]{22}(?![\w-])/g, '<id>'],
  [/("ms":|"seq":|Sequence: |#)\d+/g, '$1<n>'],
  [/\d+\.\d+\.\d+/g, '<version>'],
  [/\d+\.\d\ds/g, '<duration>'],
  [/ +/g, ' '],
];

const plain = (output: string): string =>
  varying.reduce((rest, [pattern, name]) => rest.replaceAll(pattern, name), output).trim();

const literal = (part: string): string => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');

/** The lines of the recipe that the output does not have. */
export const missing = ({ output }: Recipe, actual: string): readonly string[] => {
  const found = plain(actual).split('\n');
  return output.map(plain).filter((line) => {
    const pattern = new RegExp(`^\\s*${line.split('…').map(literal).join('.*')}\\s*$`);
    return !found.some((each) => pattern.test(each));
  });
};
