import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MailboxFullError } from '../../src/kernel/errors.ts';
import { mailbox } from '../../src/kernel/mailbox.ts';

const open = (capacity?: number) => {
  const abort = new AbortController();
  return {
    abort,
    inbox: mailbox<number>(abort.signal, capacity === undefined ? {} : { capacity, owner: 'the clerk' }),
  };
};

describe('a mailbox', () => {
  test('is read in the order it was written, however reads and writes alternate', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(), fc.constant('shift' as const)), { maxLength: 500 }), (script) => {
        const { inbox } = open();
        const model: number[] = [];
        for (const each of script) {
          if (each === 'shift') expect(inbox.shift()).toBe(model.shift());
          else {
            inbox.push(each);
            model.push(each);
          }
          expect(inbox.size).toBe(model.length);
        }
      }),
    );
  });

  test('refuses the message over its capacity, and takes one again when one is read', () => {
    const { inbox } = open(2);
    inbox.push(1);
    inbox.push(2);
    expect(() => inbox.push(3)).toThrow(MailboxFullError);
    expect(() => inbox.push(3)).toThrow('the mailbox of the clerk holds 2 messages, its capacity');
    inbox.shift();
    inbox.push(3);
    expect([inbox.shift(), inbox.shift()]).toEqual([2, 3]);
  });

  test('takes what its owner sends beyond the capacity', () => {
    const { inbox } = open(1);
    inbox.push(1);
    inbox.pushOwn(2);
    expect(inbox.size).toBe(2);
  });

  test('wakes its reader for a message', async () => {
    const { inbox } = open();
    const arrival = inbox.arrival();
    inbox.push(1);
    await expect(arrival).resolves.toBe(true);
  });

  test('ends when its signal aborts, dropping what is still inside', async () => {
    const { inbox, abort } = open();
    const read: number[] = [];
    inbox.push(1);
    inbox.push(2);
    for await (const message of inbox) {
      read.push(message);
      abort.abort();
    }
    inbox.push(3);
    expect(read).toEqual([1]);
    expect(inbox.shift()).toBeUndefined();
  });

  test('ends a reader that waits', async () => {
    const { inbox, abort } = open();
    const arrival = inbox.arrival();
    abort.abort();
    await expect(arrival).resolves.toBe(false);
  });

  test('is over from the beginning if its signal is', async () => {
    await expect(mailbox(AbortSignal.abort()).arrival()).resolves.toBe(false);
  });

  test('throws what it failed with at its reader, before any further message', async () => {
    const { inbox } = open();
    inbox.push(1);
    inbox.fail(new Error('the first'));
    inbox.fail(new Error('the second'));
    expect(inbox.shift()).toBeUndefined();
    await expect(inbox.arrival()).rejects.toThrow('the first');
  });

  test('ends quietly if it failed because it was stopped', async () => {
    const { inbox, abort } = open();
    abort.abort();
    inbox.fail(new Error('aborted'));
    await expect(inbox.arrival()).resolves.toBe(false);
  });
});
