/** What to do next, as commands for a shell: part of every answer, so that nobody has to look them up. */
import { streams, subjects } from '../bus/subjects.ts';
import type { TaskStatus } from '../task/status.ts';

const ask = (verb: string, key: string): string => `nats req ${verb}.${key} ''`;
/** `nats` itself waits for 5 s only. */
const wait = (key: string): string => `nats req --timeout 35s await.${key} ''`;
const record = (key: string): string => `nats kv get tasks ${key} --raw`;
/** It is written into a file of that name. */
const blob = (name: string): string => `nats object get blobs ${name}`;

export const nextOfSubmitted = (key: string): readonly string[] => [wait(key), ask('why', key), record(key)];

interface Known extends Pick<TaskStatus, 'status'> {
  readonly outputRef?: string | undefined;
}

export const nextOf = ({ status, outputRef }: Known, key: string): readonly string[] => {
  switch (status) {
    case 'queued':
      return [wait(key), ask('why', key), ask('cancel', key)];
    case 'waiting':
      return [wait(key), ask('why', key), record(key), ask('cancel', key)];
    case 'running':
      return [wait(key), `nats sub ${subjects.tokens(key)}`, ask('cancel', key)];
    case 'dead':
      return [ask('retry', key), `nats stream get ${streams.dlq} --last-for '${subjects.dlqOfTask(key)}'`, record(key)];
    case 'completed':
      return [record(key), ...(outputRef === undefined ? [] : [blob(outputRef)])];
    case 'failed':
    case 'cancelled':
      return [record(key)];
  }
};

export const nextOfGroup = (group: string): readonly string[] => [
  ask('counts', group),
  `nats stream subjects ${streams.dlq}`,
  'nats kv watch tasks',
];
