/** What Postgres does not take, found without one. */
import type { DeadLetterRow, StepRow, TaskRow } from './store.ts';

const jsonFields = new Set<string>(['input', 'result', 'error', 'waiting', 'usage'] satisfies readonly (
  | keyof TaskRow
  | keyof StepRow
  | keyof DeadLetterRow
)[]);

const timeFields = new Set<string>(['deadline', 'createdAt', 'startedAt', 'finishedAt', 'at'] satisfies readonly (
  | keyof TaskRow
  | keyof StepRow
)[]);

const integerMax = 2 ** 31 - 1;
const integerFields = new Set<string>(['attempt', 'failures', 'position'] satisfies readonly (
  | keyof TaskRow
  | keyof StepRow
)[]);

/** Why a row would be refused; `undefined` if it would not be. */
export const refusal = (row: object): string | undefined => {
  for (const [field, value] of Object.entries(row)) {
    const reason = Array.isArray(value) ? refusalOfSteps(value) : refusalOfValue(field, value);
    if (reason) return reason;
  }
  return undefined;
};

const refusalOfSteps = (steps: readonly StepRow[]): string | undefined => {
  const names = steps.map(({ name, key }) => JSON.stringify([name, key]));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) return `step ${twice} is there twice`;
  return steps.map(refusal).find((reason) => reason !== undefined);
};

const refusalOfValue = (field: string, value: unknown): string | undefined => {
  if (typeof value === 'number' && integerFields.has(field) && !(Number.isInteger(value) && value <= integerMax))
    return `${field}: ${value} is no integer of 32 bits`;
  if (typeof value !== 'string') return undefined;
  if (value.includes('\0')) return `${field}: U+0000 is no text`;
  if (timeFields.has(field) && Number.isNaN(Date.parse(value))) return `${field}: "${value}" is no time`;
  return jsonFields.has(field) ? refusalOfJson(field, value) : undefined;
};

const refusalOfJson = (field: string, text: string): string | undefined => {
  try {
    const unfit = findText(JSON.parse(text), (part) => part.includes('\0') || !part.isWellFormed());
    return unfit === undefined ? undefined : `${field}: text with U+0000 or half a surrogate pair`;
  } catch {
    return `${field} is no JSON`;
  }
};

const findText = (value: unknown, matches: (text: string) => boolean): string | undefined => {
  if (typeof value === 'string') return matches(value) ? value : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = matches(key) ? key : findText(inner, matches);
    if (found !== undefined) return found;
  }
  return undefined;
};
