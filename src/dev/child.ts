/**
 * Servers that run beside us while we develop or test. Each writes to a log of its own, is ready when the log
 * says so, and never outlives us: a guard, a shell that reads a pipe whose other end is ours, ends the server when
 * we are gone, however that came about.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, statSync, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { systemClock } from '../kernel/clock.ts';
import { UnavailableError } from '../kernel/errors.ts';

/** The user a child runs as; absent: ours. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** A file; what the child prints is appended to it. */
  readonly log: string;
  /** What the log says once the child is ready. */
  readonly ready: RegExp;
  /** What the guard sends when we are gone. */
  readonly orphanSignal: 'KILL' | 'QUIT';
  readonly identity?: Identity | undefined;
  /** Its environment; ours by default. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

export interface Child {
  readonly pid: number;
  /** The match of `ready` in the log. */
  readonly ready: RegExpExecArray;
  /** Resolves when the child has ended, however, with how: `ended by SIGKILL`, `ended with code 1; see <log>`. Never rejects. */
  readonly exit: Promise<string>;
  /** Sends a signal; resolves when the child has ended, but at once for one that only holds it or wakes it. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Reading a large store back after a crash takes its time. */
const startLimitMs = 120_000;

const survivable: ReadonlySet<NodeJS.Signals> = new Set(['SIGSTOP', 'SIGCONT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']);

const guard = (pid: number, signal: string): ChildProcess => {
  const script = 'read -r _; kill -s "$0" "$1"';
  const shell = spawn('sh', ['-c', script, signal, String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Without a `sh` there is no guard, and nothing else is lost.
  shell.on('error', () => undefined);
  shell.unref();
  return shell;
};

/** Its log is worth a look where it says anything, and the child had a moment to say what happened to it. */
const endingOf = (code: number | null, signal: NodeJS.Signals | null, log: string, offset: number): string => {
  const how = signal === null ? `ended with code ${code}` : `ended by ${signal}`;
  const logged = (statSync(log, { throwIfNoEntry: false })?.size ?? 0) > offset;
  return logged && signal !== 'SIGKILL' ? `${how}; see ${log}` : how;
};

const readFrom = (file: string, offset: number): string => readFileSync(file).subarray(offset).toString();

/** Waits until `file`, from `offset` on, says `ready`; rejects when `exit` comes before. */
const saysReady = (file: string, offset: number, ready: RegExp, exit: Promise<unknown>): Promise<RegExpExecArray> =>
  new Promise((resolve, reject) => {
    const look = (): void => {
      const found = ready.exec(readFrom(file, offset));
      if (found) settle(() => resolve(found));
    };
    const fail = (why: string): void => settle(() => reject(new UnavailableError(why)));
    const watcher = watch(file, look);
    const limit = systemClock.timer(startLimitMs, () => fail(`was not ready within ${startLimitMs} ms`));
    const settle = (end: () => void): void => {
      limit.cancel();
      watcher.close();
      end();
    };
    exit.then(
      () => fail('ended before it was ready'),
      (cause) => fail(String(cause)),
    );
    look();
  });

/**
 * Resolves when the child is ready. Throws UnavailableError, with the end of its log, if it cannot be started, ends
 * before it is ready, or takes longer than two minutes.
 */
export const startChild = async (options: ChildOptions): Promise<Child> => {
  const { command, args, ready, orphanSignal, identity, env } = options;
  const log = await open(options.log, 'a');
  const { size } = await log.stat();
  // In a group of its own: Ctrl-C in a terminal is for us alone, so that we can drain before the servers go.
  const child = spawn(command, args, { stdio: ['ignore', log.fd, log.fd], detached: true, env, ...identity });
  const ended = new Promise<string>((resolve, reject) => {
    child.once('exit', (code, signal) => resolve(endingOf(code, signal, options.log, size)));
    child.once('error', reject);
  });
  const exit = ended.catch(String);
  await log.close();
  const watchdog = child.pid === undefined ? undefined : guard(child.pid, orphanSignal);
  void exit.then(() => watchdog?.kill('SIGKILL'));
  try {
    const match = await saysReady(options.log, size, ready, ended);
    return {
      pid: child.pid ?? 0,
      ready: match,
      exit,
      kill: async (signal) => {
        child.kill(signal);
        if (!survivable.has(signal)) await exit;
      },
    };
  } catch (cause) {
    child.kill('SIGKILL');
    await exit;
    const end = readFrom(options.log, size).trim().split('\n').slice(-8).join('\n');
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnavailableError(`${basename(command)} ${why}; ${options.log} ends:\n${end}`, { cause });
  }
};
