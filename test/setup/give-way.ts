/** For what needs the processor only, and beside which others look at the time. */
import { constants, setPriority } from 'node:os';

setPriority(constants.priority.PRIORITY_LOW);
