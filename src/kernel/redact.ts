/**
 * Takes secrets out of what is about to be written down: fields by their names, and text by what
 * secrets look like. Bounded in depth, breadth and length, as it runs on whatever is thrown at it.
 */
const hidden = '[redacted]';

const secretName =
  /^(?:(?:proxy-?)?authorization|(?:set-?)?cookie|credentials?|nkey|seed|dsn|.*(?:passw(?:or)?d|secret|token|api[-_]?key|private[-_]?key|access[-_]?key))$/i;

/** `inputTokens` and the like are counts, and the most wanted ones in a log. */
const isSecret = (name: string, value: unknown): boolean =>
  typeof value !== 'number' && typeof value !== 'boolean' && name.length <= 64 && secretName.test(name);

const patterns: readonly (readonly [RegExp, string])[] = [
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@]{1,400}@/gi, `$1${hidden}@`],
  // With a digit or padding somewhere, as what follows may be prose.
  [/\b(Bearer|Basic)\s+(?=\S*[\d=])[\w.~+/=-]{6,}/gi, `$1 ${hidden}`],
  [/\b(?:sk|pk|rk|gsk|xai|ghp|gho|ghs|github_pat|glpat|xox[abp])[-_][\w-]{10,}/g, hidden],
  [/\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bS[ACNOUX][A-Z2-7]{54,}\b/g, hidden],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, hidden],
  [
    /\b(password|passwd|pwd|secret|token|access_token|api[-_]?key)(["']?\s{0,3}[=:]\s{0,3}["']?)[^\s,;&"'}]{3,}/gi,
    `$1$2${hidden}`,
  ],
];

const longest = 4_096;
const deepest = 6;
const broadest = 100;

/** The text without what looks like a secret, at most 4,096 characters of it. */
export const scrub = (text: string): string => {
  const short = text.length > longest ? `${text.slice(0, longest)}… (${text.length} characters)` : text;
  return patterns.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), short);
};

/** A copy that JSON can hold and anybody may read. Never throws, whatever it is given. */
export const redact = (value: unknown, depth = 0): unknown => {
  if (typeof value === 'string') return scrub(value);
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value === 'function') return '[function]';
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= deepest) return '[deeper]';
  try {
    return redactObject(value, depth);
  } catch {
    return '[unreadable]'; // A getter or a proxy that throws.
  }
};

const redactObject = (value: object, depth: number): unknown => {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof URL) return scrub(value.href);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, broadest).map((each) => redact(each, depth + 1));
  const entries = Object.entries(value).slice(0, broadest);
  const own = entries.map(([name, each]) => [name, isSecret(name, each) ? hidden : redact(each, depth + 1)] as const);
  return Object.fromEntries(value instanceof Error ? [...errorFields(value, depth), ...own] : own);
};

const errorFields = (error: Error, depth: number): (readonly [string, unknown])[] => [
  ['type', error.name],
  ['message', scrub(error.message)],
  ['stack', scrub(error.stack ?? '')],
  ...(error.cause === undefined ? [] : [['cause', redact(error.cause, depth + 1)] as const]),
];
