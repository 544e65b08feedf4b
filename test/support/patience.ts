import { jest } from '@jest/globals';

/** Real servers take their time, and so does a machine that runs two levels at once; a test that hangs still ends. */
jest.setTimeout(120_000);
