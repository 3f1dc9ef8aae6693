/**
 * The headers of a task: `Nats-*` steer the server and never come from a submitter; `Troupe-*` are ours; any other goes
 * along untouched.
 */
import type { Headers } from '../bus/bus.ts';
import { headerName, lineBreak, order } from '../bus/headers.ts';

export const header = {
  id: 'Troupe-Id',
  lane: 'Troupe-Lane',
  key: 'Troupe-Key',
  tenant: 'Troupe-Tenant',
  group: 'Troupe-Group',
  title: 'Troupe-Title',
  deadline: 'Troupe-Deadline',
  delay: 'Troupe-Delay',
  at: 'Troupe-At',
  // What Troupe adds on the way.
  hash: 'Troupe-Hash',
  nonce: 'Troupe-Nonce',
  resume: 'Troupe-Resume',
  submitted: 'Troupe-Submitted',
  parent: 'Troupe-Parent',
  redriveOf: 'Troupe-Redrive-Of',
  depth: 'Troupe-Depth',
  natsId: 'Nats-Msg-Id',
} as const;

/** Whether it can be published again: what arrives may hold more than what may be sent. */
export const travels = (name: string, value: string): boolean => headerName.test(name) && !lineBreak.test(value);

/**
 * A value as its header will bring it: without the spaces around it, as UTF-8 has it. At the edge, so that rules, lines
 * of tasks with one key and budgets see the same value on either side of the wire.
 */
export const asBrought = (value: string): string => value.trim().toWellFormed();

export const isDate = (value: string): boolean => /^\d{4}-\d\d-\d\dT/.test(value);

export const without = (headers: Headers, dropped: RegExp): Headers => {
  const kept: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !dropped.test(name) && travels(name, value)) kept[name] = value;
  }
  return kept;
};

/** A stored message's headers, to be published again: what steered the server then must not steer it now. */
export const carriedHeaders = (headers: Headers): Headers => without(headers, order);
