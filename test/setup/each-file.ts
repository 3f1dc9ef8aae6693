/** Vitest runs this anew for each file, also where files share a process and its modules. */
import { afterAll } from 'vitest';
import { endFile } from './endings.ts';

afterAll(endFile);
