/** Configurations as the server holds them, compared with what is wanted. */
export type Config = Readonly<Record<string, unknown>>;

/** Fields of `wanted` that `before` has otherwise. What the server leaves out is empty. */
export const changed = (before: Config, wanted: Config): readonly string[] =>
  Object.keys(wanted).filter((field) => show(before[field] ?? '') !== show(wanted[field] ?? ''));

/** `retention workqueue → limits, discard new → old` */
export const describeChanges = (before: Config, wanted: Config): string =>
  changed(before, wanted)
    .map((field) => `${field} ${show(before[field])} → ${show(wanted[field])}`)
    .join(', ');

const show = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'unset'));
