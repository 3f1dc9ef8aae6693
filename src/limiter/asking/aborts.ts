/** One listener for each signal, however many wait by it: adding and removing one takes a sixth of what a permit does. */
export interface Aborts<Who> {
  add(signal: AbortSignal, who: Who): void;
  remove(signal: AbortSignal, who: Who): void;
}

export const aborts = <Who>(aborted: (who: Who, reason: unknown) => void): Aborts<Who> => {
  const listening = new Map<AbortSignal, { readonly all: Set<Who>; readonly hear: () => void }>();

  const listen = (signal: AbortSignal) => {
    const all = new Set<Who>();
    const hear = (): void => {
      listening.delete(signal);
      for (const who of all) aborted(who, signal.reason);
    };
    signal.addEventListener('abort', hear, { once: true });
    const entry = { all, hear };
    listening.set(signal, entry);
    return entry;
  };

  return {
    add: (signal, who) => void (listening.get(signal) ?? listen(signal)).all.add(who),
    remove: (signal, who) => {
      const entry = listening.get(signal);
      if (!entry?.all.delete(who) || entry.all.size > 0) return;
      listening.delete(signal);
      signal.removeEventListener('abort', entry.hear);
    },
  };
};
