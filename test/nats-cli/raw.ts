/** The protocol by hand: for what no client library would send. */
import { once } from 'node:events';
import { connect } from 'node:net';

/** Resolves with what the server said once it has read it all: `PONG`, or an error. */
const speak = async (url: string, ...parts: readonly (string | Uint8Array)[]): Promise<string> => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined); // The server hangs up on what it refuses.
  await once(socket, 'data');
  socket.write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
  for (const part of parts) socket.write(part);
  socket.write('PING\r\n');
  return new Promise((resolve) => {
    let said = '';
    socket.on('data', (chunk) => {
      said += String(chunk);
      if (/PONG|-ERR/.test(said)) socket.destroy();
    });
    socket.on('close', () => resolve(said));
  });
};

export interface RawMessage {
  readonly subject: string;
  readonly reply?: string;
  /** As they go over the wire, without the version and the line that ends them. */
  readonly headers?: string;
  readonly payload?: string | Uint8Array;
}

export const publishRaw = (
  url: string,
  { subject, reply = '', headers, payload = '' }: RawMessage,
): Promise<string> => {
  const body = Buffer.from(payload);
  if (headers === undefined) return speak(url, `PUB ${subject} ${reply} ${body.length}\r\n`, body, '\r\n');
  const block = Buffer.from(`NATS/1.0\r\n${headers}\r\n\r\n`);
  const sizes = `${block.length} ${block.length + body.length}`;
  return speak(url, `HPUB ${subject} ${reply} ${sizes}\r\n`, block, body, '\r\n');
};
