import { jest } from '@jest/globals';

/** Levels that run real servers wait for them; a test that hangs still ends. */
jest.setTimeout(120_000);
