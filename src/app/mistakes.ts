/** How an app's mistakes are told: where, then what. */
import type { z } from 'zod';

export type Report = (mistake: string) => void;

/** The parsed value; `undefined` once its mistakes are reported. */
export const parsed = <T>(shape: z.ZodType<T>, value: unknown, where: string, report: Report): T | undefined => {
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  for (const { path, message } of result.error.issues) {
    // A task's policy is an object of its own only inside: its author wrote one spec.
    const at = (path[0] === 'policy' ? path.slice(1) : path).map(String).join('.');
    report([where, at, message].filter((part) => part !== '').join(': '));
  }
  return undefined;
};

/** Reports each name that occurs again. */
export const checkUnique = (what: string, names: readonly string[], report: Report): void => {
  const again = names.filter((name, index) => names.indexOf(name) !== index);
  for (const name of new Set(again)) report(`${what} "${shortened(name)}": another ${what} has the same name`);
};

/** What mistakes call an entry of a list: by its name where it has one. */
export const labelOf = (what: string, value: unknown, index: number): string => {
  const name = nameOf(value);
  return name === undefined ? `${what} number ${index + 1}` : `${what} "${shortened(name)}"`;
};

export const namesOf = (values: readonly unknown[]): readonly string[] =>
  values.flatMap((value) => nameOf(value) ?? []);

const nameOf = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string'
    ? value.name
    : undefined;

const shortened = (name: string): string => name.slice(0, 80);
