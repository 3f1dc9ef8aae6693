/** An ordered reading of a stream, which goes on after a reconnect where it was. */
import type { Stored, TailOptions } from '../queue.ts';
import type { Subscription } from '../bus.ts';
import type { Client } from './client.ts';
import { matcher } from './matching.ts';
import type { Stream, Watcher } from './stream.ts';

const retryMs = 1_000;

export const tail = async (client: Client, name: string, options: TailOptions): Promise<Subscription> => {
  const { link, server, clock, attached } = client;
  const { from, headersOnly = false } = options;
  const match = matcher(options.filter);
  let reading: { readonly stream: Stream; readonly watcher: Watcher } | undefined;
  let incarnation: string | undefined;
  let position = 1;
  let caughtUp = false;
  let open = true;

  const arrived = (message: Stored): void => {
    if (!open) return;
    position = message.seq + 1;
    options.deliver({ ...message, data: headersOnly ? new Uint8Array() : message.data.slice() });
  };

  const arrivedAll = (): void => {
    if (!open || caughtUp) return;
    caughtUp = true;
    options.caughtUp?.();
  };

  const send = (message: Stored): void => link.receive(() => arrived(message));

  const stored = (stream: Stream, since: number, onlyLast: boolean): readonly Stored[] =>
    [...stream.messages.subjects()]
      .filter(([subject]) => match(subject))
      .flatMap(([, seqs]) => (onlyLast ? seqs.slice(-1) : seqs))
      .filter((seq) => seq >= since)
      .sort((a, b) => a - b)
      .flatMap((seq) => stream.messages.get(seq) ?? []);

  const first = (stream: Stream): number =>
    from === 'new' ? stream.lastSeq + 1 : typeof from === 'object' ? from.seq : 1;

  const read = (): void => {
    const stream = server.stream(name);
    // Of a stream that was made anew everything is new.
    if (incarnation !== stream.incarnation) position = incarnation === undefined ? first(stream) : 1;
    incarnation = stream.incarnation;
    for (const message of stored(stream, position, from === 'last' && !caughtUp)) send(message);
    link.receive(arrivedAll);
    const watcher: Watcher = {
      added: (message) => {
        if (match(message.subject)) send(message);
      },
      removed: () => {},
    };
    stream.watchers.add(watcher);
    reading = { stream, watcher };
  };

  const stop = (): void => {
    if (reading) reading.stream.watchers.delete(reading.watcher);
    reading = undefined;
  };

  /** The stream may be a while in coming back: one in memory does not survive its broker. */
  const again = (): void => {
    if (!open || reading || client.state !== 'connected') return;
    client.call(`tail of "${name}"`, () => open && !reading && read()).catch(() => clock.timer(retryMs, again));
  };

  try {
    await client.call(`tail of "${name}"`, () => open && read());
  } catch (error) {
    // It may have begun, and whoever asks again is not to hear this one too.
    open = false;
    stop();
    throw error;
  }
  const attach = { lost: stop, back: again };
  attached.add(attach);
  return {
    unsubscribe: () => {
      open = false;
      attached.delete(attach);
      link.send(stop);
    },
  };
};
