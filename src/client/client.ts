/**
 * What a producer holds: submits, follows and ends tasks over one connection, which is the client's own. With an app it
 * validates and classifies by itself; without one the ingress does.
 */
import type { SubmitOptions } from '../app/submit.ts';
import { buckets } from '../bus/subjects.ts';
import { slots } from '../kernel/slots.ts';
import { bucket } from '../kv/bucket.ts';
import type { Admission } from '../task/admission.ts';
import { ends } from '../task/ends.ts';
import { gate } from '../task/gate.ts';
import { findTask } from '../task/find.ts';
import { unseenInbox } from '../task/inbox.ts';
import { statusOf, type TaskStatus } from '../task/status.ts';
import { readRecord } from '../task/records.ts';
import { type ClientPorts, closed, type Core, lives } from './core.ts';
import { clientEvents } from './events.ts';
import { groupOf } from './group.ts';
import { ingress } from './ingress.ts';
import { runOf } from './run.ts';
import { type Items, submitAll } from './submit-many.ts';
import { type Submit, submitAtEdge, submitThroughIngress } from './submitting.ts';
import type { Client, Run, Submitted } from './types.ts';

export interface ClientOptions extends ClientPorts {
  /** Of the app, if it is known here. */
  readonly admission?: Admission;
  /** On whose behalf tasks are submitted that say nothing else. */
  readonly tenant?: string;
}

type AnyTask = string | { readonly name: string };

/** The client as it is made, for tasks of any type. */
interface AnyClient extends Omit<Client, 'submit' | 'submitMany' | 'run'> {
  submit(task: AnyTask, input: unknown, options?: SubmitOptions): Promise<Run>;
  submitMany(task: AnyTask, items: Items): Promise<Submitted>;
  run(task: AnyTask, id: string): Run;
}

/** Closing it closes the connection. */
export const client = <A>({ admission, tenant, ...given }: ClientOptions): Client<A> => {
  const ports = { ...given, records: bucket(given.queue, buckets.tasks) };
  const { life, alive, endAll } = lives();
  const doors = ingress(ports.bus, alive);
  const entry = gate(ports);
  const find = finder(ports, doors, admission !== undefined);
  const waits = ends({ ports, find });
  const core: Core = { ports, doors, waits, find, life, alive };
  const enter = admission ? submitAtEdge({ ports, admission, entry, tenant }) : submitThroughIngress({ doors, tenant });

  const begun = slots(Number.POSITIVE_INFINITY);
  let closing: Promise<void> | undefined;
  const submit: Submit = (type, input, options) => {
    if (closing) return Promise.reject(closed());
    void begun.take(); // Never waits: there is no end of them.
    const entering = enter(type, input, options);
    entering.then(begun.give, begun.give);
    return entering;
  };

  const close = async (): Promise<void> => {
    await begun.free();
    endAll();
    waits.close();
    entry.close();
    await ports.bus.close();
  };

  const made: AnyClient = {
    submit: async (task, input, options) => {
      const type = nameOf(task);
      return runOf(core, { type, ...(await submit(type, input, options)) });
    },
    submitMany: (task, items) => submitAll(submit, nameOf(task), items),
    run: (task, id) => runOf(core, { type: nameOf(task), id, duplicate: true }),
    events: (filter = {}) => clientEvents(core, filter),
    group: (name) => groupOf(core, name),
    close: () => (closing ??= close()),
  };
  return made as AnyClient & Client<A>; // The types of inputs and outputs are the app's: nothing here looks at either.
};

const nameOf = (task: AnyTask): string => (typeof task === 'string' ? task : task.name);

/** The record first; then, with an app, where the task may wait; then the ingress, which knows the history too. */
const finder = (ports: Core['ports'], doors: Core['doors'], atEdge: boolean): Core['find'] => {
  // What lies there, and what is forgotten, the ingress looks for.
  const elsewhere = { inbox: unseenInbox, history: { task: () => Promise.resolve(undefined) } };
  const here = async (recordKey: string): Promise<TaskStatus | undefined> => {
    if (atEdge) return findTask({ ...ports, ...elsewhere }, recordKey);
    const record = await readRecord(ports, recordKey);
    return record && statusOf(ports.blobs, record);
  };
  return async (recordKey) => (await here(recordKey)) ?? doors.get(recordKey);
};
