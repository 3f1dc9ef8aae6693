/** A fault on purpose, with `PROVE_PLANT=repeat`: a request is sent again after its answer has been recorded. */
const planted = process.env['PROVE_PLANT'] === 'repeat';
const last = new Map<string, () => Promise<Response>>();

/** Notes what each task has sent last, by the task that its idempotency key begins with. */
export const noted =
  (send: typeof fetch): typeof fetch =>
  (input, init) => {
    const [task = ''] = (new Headers(init?.headers).get('idempotency-key') ?? '').split(':');
    if (planted) last.set(task, () => fetch(input, { ...init, signal: null }));
    return send(input, init);
  };

export const repeatPlanted = async (task: string): Promise<void> => {
  await (await last.get(task)?.())?.text();
};
