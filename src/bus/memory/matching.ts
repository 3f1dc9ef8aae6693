/** Subjects and the filters that match them: `*` is one token, `>` at the end is one or more. */

export type Matcher = (subject: string) => boolean;

export const isLiteral = (filter: string): boolean =>
  !filter.split('.').some((token) => token === '*' || token === '>');

export const matches = (filter: string, subject: string): boolean => one(filter)(subject);

/** Matches what at least one of the filters does. */
export const matcher = (filters: string | readonly string[]): Matcher => {
  if (typeof filters === 'string') return one(filters);
  const each = filters.map(one);
  return (subject) => each.some((match) => match(subject));
};

const one = (filter: string): Matcher => {
  if (isLiteral(filter)) return (subject) => subject === filter;
  const tokens = filter.split('.');
  const open = tokens.at(-1) === '>';
  const fixed = open ? tokens.slice(0, -1) : tokens;
  return (subject) => {
    const given = subject.split('.');
    if (open ? given.length <= fixed.length : given.length !== fixed.length) return false;
    return fixed.every((token, at) => token === '*' || token === given[at]);
  };
};

/** Whether some subject matches both. */
export const overlaps = (a: string, b: string): boolean => {
  const [left, right] = [a.split('.'), b.split('.')];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const [x, y] = [left[at], right[at]];
    if (x === undefined || y === undefined) return false;
    if (x === '>' || y === '>') return true;
    if (x !== '*' && y !== '*' && x !== y) return false;
  }
  return true;
};

const token = /^[^\s.*>]+$/;

/** What can be published to: no wildcards, no spaces, no empty tokens. */
export const isSubject = (subject: string): boolean => subject.split('.').every((part) => token.test(part));
