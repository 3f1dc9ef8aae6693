// submit.ts: any program, once a node has run
import { createClient } from 'troupe';
import app, { summarise } from './app.ts';

const client = await createClient({ app });
const run = await client.submit(summarise, { url: 'https://example.org' }, { lane: 'high', delay: '10m' });
console.log(await run.result());
await client.close();
