/** Who listens to which subject, and who of a queue group gets the next message. */
import type { Random } from '../../kernel/random.ts';
import type { Message } from '../bus.ts';
import { isLiteral, type Matcher, matcher } from './matching.ts';

export interface Listener {
  readonly subject: string;
  readonly queue?: string;
  deliver(message: Message): void;
}

export interface Core {
  add(listener: Listener): void;
  remove(listener: Listener): void;
  /** How many got it. */
  route(message: Message): number;
  clear(): void;
}

export const core = (random: Random): Core => {
  const exact = new Map<string, Set<Listener>>();
  const wild = new Map<Listener, Matcher>();

  const receivers = (listeners: readonly Listener[]): readonly Listener[] => {
    const groups = Map.groupBy(listeners, ({ queue }) => queue);
    return [...groups].flatMap(([queue, members]) =>
      queue === undefined ? members : members.slice(Math.floor(random.next() * members.length)).slice(0, 1),
    );
  };

  return {
    add: (listener) => {
      if (!isLiteral(listener.subject)) return void wild.set(listener, matcher(listener.subject));
      const listeners = exact.get(listener.subject) ?? new Set();
      exact.set(listener.subject, listeners.add(listener));
    },
    remove: (listener) => {
      wild.delete(listener);
      const listeners = exact.get(listener.subject);
      listeners?.delete(listener);
      if (listeners?.size === 0) exact.delete(listener.subject);
    },
    route: (message) => {
      const matching = [...wild].filter(([, match]) => match(message.subject)).map(([listener]) => listener);
      const chosen = receivers([...(exact.get(message.subject) ?? []), ...matching]);
      for (const listener of chosen) listener.deliver(message);
      return chosen.length;
    },
    clear: () => {
      exact.clear();
      wild.clear();
    },
  };
};
