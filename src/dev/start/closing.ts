/** What was opened, to be closed in the opposite order. */
export interface Closing {
  add(close: () => Promise<void>): void;
  all(): Promise<void>;
}

export const closing = (): Closing => {
  const closers: (() => Promise<void>)[] = [];
  return {
    add: (close) => void closers.unshift(close),
    all: async () => {
      for (const close of closers.splice(0)) await close();
    },
  };
};
