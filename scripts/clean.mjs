// Removes the folders named on the command line; the build starts from nothing, so that no deleted source lives on in dist.
import { rmSync } from 'node:fs';

for (const folder of process.argv.slice(2)) rmSync(folder, { recursive: true, force: true });
