/**
 * Where a node of this proof dies when it is told to: by SIGUSR2, at the point that the file `PROVE_FAILPOINT` names. It
 * dies by its own -9, the next time it comes there, after a line to the file `PROVE_DEATHS`.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';

export const points = [
  /** A model's or a tool's answer has been written into the record, and nobody knows that yet. */
  'recorded',
  /** The task has ended, and its message is about to be acked. */
  'acking',
  /** A stream's first words have come. */
  'streaming',
  /** The provider's answer is here, and not yet in the record: the call has to be made again. */
  'answered',
] as const;
export type Point = (typeof points)[number];

const { PROVE_FAILPOINT: order, PROVE_DEATHS: deaths = '/dev/null' } = process.env;
let armed: string | undefined;

export const passed = (point: Point): void => {
  if (armed !== point) return;
  appendFileSync(deaths, `${JSON.stringify({ pid: process.pid, point })}\n`);
  process.kill(process.pid, 'SIGKILL');
};

const ack = /PUB \$JS\.ACK\.WORK_\S+ \d+\r\n\+ACK/;

/** An ack is what it is on the wire: this is the only place where one can be seen before it leaves. */
const watchAcks = (): void => {
  const write = Socket.prototype.write;
  Socket.prototype.write = function (this: Socket, ...args: Parameters<typeof write>) {
    const [bytes] = args;
    const looked = armed === 'acking' && bytes instanceof Uint8Array;
    if (looked && ack.test(Buffer.from(bytes).toString('latin1'))) passed('acking');
    return write.apply(this, args);
  } as typeof write; // It has two signatures, and this is both.
};

if (order !== undefined) {
  watchAcks();
  process.on('SIGUSR2', () => {
    armed = readFileSync(order, 'utf8');
  });
}
