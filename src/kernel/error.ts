/** One symbol for every copy of the package in the process, which `instanceof` would tell apart. */
const brand = Symbol.for('troupe.error');

/**
 * What every error of Troupe extends. `code` is stable and in snake case: branch on it, with
 * `isTroupeError(error, 'overloaded')`, and leave the message to people.
 */
export class TroupeError extends Error {
  override readonly name: string = 'TroupeError';
  readonly code: string;

  constructor(message: string, options: { readonly code?: string; readonly cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = options.code ?? 'troupe';
  }

  static {
    // On the prototype, so that neither a log line nor a record shows it.
    Object.defineProperty(this.prototype, brand, { value: true });
  }
}

/** What of an error travels: in a record, in an error reply, between threads. */
export interface ErrorSummary {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

/** Classes end in `Error`, codes are snake case: what is left of an error that crossed a thread. */
const survives = (error: object): boolean =>
  'name' in error &&
  typeof error.name === 'string' &&
  error.name.endsWith('Error') &&
  'code' in error &&
  typeof error.code === 'string' &&
  error.name === className(error.code);

/** `TaskFailedError` for `task_failed`. */
const className = (code: string): string =>
  `${code
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')}Error`;

/**
 * Whether `error` is Troupe's, and, if a code is given, that very one. True for errors of another
 * copy of the package, and for what `summarise` made of one: that is what to send between threads, as
 * a structured clone of an error keeps its message and nothing else.
 */
export const isTroupeError = (error: unknown, code?: string): error is TroupeError => {
  if (typeof error !== 'object' || error === null) return false;
  if (!(brand in error) && !survives(error)) return false;
  return code === undefined || ('code' in error && error.code === code);
};

/** What of any thrown value, an error or not, may travel. The code of what is not Troupe's is `unknown`. */
export const summarise = (error: unknown): ErrorSummary => {
  if (isTroupeError(error)) return { name: error.name, code: error.code, message: error.message };
  if (error instanceof Error) return { name: error.name, code: 'unknown', message: error.message };
  return { name: 'Error', code: 'unknown', message: describe(error) };
};

const describe = (thrown: unknown): string => {
  try {
    return typeof thrown === 'string' ? thrown : `thrown: ${JSON.stringify(thrown) ?? String(thrown)}`;
  } catch {
    return 'thrown: a value that cannot be shown'; // Circular, or its toString throws.
  }
};

/** The error that a summary was made of, as far as it travelled: its code and its message. */
export const revive = ({ code, message }: Pick<ErrorSummary, 'code' | 'message'>): TroupeError =>
  new TroupeError(message, { code });
