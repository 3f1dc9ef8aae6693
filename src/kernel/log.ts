/**
 * Lines of JSON on stdout. Writing never waits for whoever reads them: what does not fit a bounded
 * buffer is dropped and counted. Secrets are taken out before a line reaches that buffer.
 */
import { pino } from 'pino';
import { redact, scrub } from './redact.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';
export const levels = ['debug', 'info', 'warn', 'error'] as const satisfies readonly Level[];

/** `log.info({ id, attempt }, 'task completed')`, or just a message. An error goes into the field `err`. */
export type Write = (fields: object | string, message?: string) => void;

export interface Log extends Readonly<Record<Level, Write>> {
  /** A log whose every line has these fields too. */
  child(fields: object): Log;
}

export interface LogOptions {
  /** The least that is written; `silent` writes nothing. */
  readonly level: Level | 'silent';
  /** In every line, such as the node's name. */
  readonly fields?: object;
  /** A file descriptor or a path; 1, which is stdout. */
  readonly destination?: number | string;
  /** How much may wait for its sink; 4 MiB. */
  readonly bufferBytes?: number;
  /** Called for each line that is dropped. */
  readonly dropped: () => void;
}

export interface OpenLog {
  readonly log: Log;
  /** Resolves when what has been logged is written, or cannot be. A sink that does not read holds it up. */
  readonly flush: () => Promise<void>;
}

export const openLog = ({ level, fields = {}, dropped, ...target }: LogOptions): OpenLog => {
  const { write, flush } = openSink(target, dropped);
  const formatters = { level: (label: string) => ({ level: label }) };
  // Errors are plain objects by the time pino sees them; its own serializer would take them for something else.
  const serializers = { err: (error: unknown) => error };
  const logger = pino({ level, base: null, formatters, serializers }, { write });
  return { log: wrap(logger).child(fields), flush };
};

type Target = Pick<LogOptions, 'destination' | 'bufferBytes'>;

/** pino's asynchronous destination, and a count of the bytes that it holds: it tells nobody when they are gone. */
const openSink = ({ destination = 1, bufferBytes = 4 * 2 ** 20 }: Target, dropped: () => void) => {
  const sink = pino.destination({ dest: destination, sync: false, minLength: 0, maxLength: bufferBytes });
  let heldBytes = 0;
  let broken = false;
  let flushed: (() => void)[] = [];

  const release = (bytes: number): void => {
    heldBytes = Math.max(0, heldBytes - bytes);
    if (heldBytes > 0) return;
    for (const resolve of flushed) resolve();
    flushed = [];
  };
  sink.on('write', release);
  sink.on('drop', (line: string) => {
    dropped();
    release(Buffer.byteLength(line));
  });
  // A sink that went away must not take the node with it.
  sink.on('error', (error: NodeJS.ErrnoException) => {
    broken ||= error.code === 'EPIPE';
    release(heldBytes);
  });

  return {
    write: (line: string): void => {
      if (broken) return dropped();
      heldBytes += Buffer.byteLength(line);
      sink.write(line);
    },
    flush: (): Promise<void> =>
      new Promise((resolve) => {
        flushed.push(resolve);
        release(0);
      }),
  };
};

const wrap = (logger: pino.Logger): Log => {
  const write =
    (level: Level): Write =>
    (fields, message) => {
      if (!logger.isLevelEnabled(level)) return;
      if (typeof fields === 'string') logger[level](scrub(fields));
      else logger[level](redactFields(fields), message && scrub(message));
    };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => wrap(logger.child(redactFields(fields))),
  };
};

const redactFields = (fields: object): object => {
  const safe = redact(fields instanceof Error ? { err: fields } : fields);
  return typeof safe === 'object' && safe !== null ? safe : { fields: safe };
};

/** A program's own log, of which nothing is known but that it writes. */
export const logTo = (sink: Readonly<Record<Level, Write>>, own: object = {}): Log => {
  const write =
    (level: Level): Write =>
    (fields, message) =>
      typeof fields === 'string' ? sink[level](own, fields) : sink[level]({ ...own, ...fields }, message);
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => logTo(sink, { ...own, ...fields }),
  };
};

const nothing: Write = () => {};

export const silentLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
};
