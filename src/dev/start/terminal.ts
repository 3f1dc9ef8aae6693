/** What the reader of `npm start` sees: lines that stay, stamped with the time since the start, and one that changes. */

export interface Terminal {
  /** A line that stays. */
  line(text?: string): void;
  /** A line that stays, with the seconds since the start before it. */
  event(text: string): void;
  /** A line under the last event, without a time. */
  more(text: string): void;
  /** The line at the bottom, instead of the one before. */
  progress(text: string): void;
  /** Takes the line at the bottom away. */
  rest(): void;
}

export interface TerminalOptions {
  readonly write: (text: string) => void;
  /** A terminal can take a line back; a file or a pipe is given a line now and then instead. */
  readonly live: boolean;
  readonly columns: () => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** How often a progress line goes to a file. */
const quietMs = 5_000;
const clear = '\r\u001b[K';

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** `8` and `task`, as `8 tasks`. */
export const counted = (count: number, noun: string): string =>
  `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;

export const terminal = ({ write, live, columns, now }: TerminalOptions): Terminal => {
  const startMs = now();
  let bottom = '';
  let shownMs = Number.NEGATIVE_INFINITY;
  const line = (text = ''): void => {
    write(`${bottom && clear}${text}\n`);
    if (bottom) write(bottom);
  };
  const stamp = (): string => seconds(now() - startMs).padStart(9);
  return {
    line,
    event: (text) => line(`${stamp()}  ${text}`),
    more: (text) => line(`${' '.repeat(11)}${text}`),
    progress: (text) => {
      const next = `${stamp()}  ${text}`.slice(0, columns() - 1);
      if (live) {
        write(clear + next);
        bottom = next;
      } else if (now() - shownMs >= quietMs) {
        shownMs = now();
        write(`${next}\n`);
      }
    },
    rest: () => {
      if (bottom) write(clear);
      bottom = '';
    },
  };
};
