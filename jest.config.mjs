/** One project a level, so that each can be run alone: `npm run test:domain`, `test:unit`, … */
const common = {
  testEnvironment: 'node',
  setupFilesAfterEnv: ['<rootDir>/test/support/patience.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.cache/'],
};

const level = (displayName, testMatch, more = {}) => ({ ...common, displayName, testMatch, ...more });

export default {
  testSequencer: '<rootDir>/test/support/sequencer.mjs',
  // Of `it.concurrent`, whose scenes mostly wait: for the next interval, for pods.
  maxConcurrency: 8,
  projects: [
    level('domain', ['<rootDir>/src/workflows/domain/**/*.test.ts', '<rootDir>/test/parity/**/*.test.ts']),
    level('unit', ['<rootDir>/src/**/*.test.ts', '<rootDir>/local/**/*.test.ts', '<rootDir>/test/docs/**/*.test.ts'], {
      testPathIgnorePatterns: ['/node_modules/', '<rootDir>/src/workflows/domain/'],
    }),
    level('provider', ['<rootDir>/test/provider/**/*.test.ts'], {
      globalSetup: '<rootDir>/test/support/provider-setup.ts',
      globalTeardown: '<rootDir>/test/support/teardown.ts',
    }),
    level('workflow', ['<rootDir>/test/workflow/**/*.test.ts', '<rootDir>/test/replay/**/*.test.ts'], {
      globalSetup: '<rootDir>/test/support/workflow-setup.ts',
      globalTeardown: '<rootDir>/test/support/teardown.ts',
    }),
    level('e2e', ['<rootDir>/test/e2e/**/*.test.ts'], {
      globalSetup: '<rootDir>/test/support/e2e-setup.ts',
      globalTeardown: '<rootDir>/test/support/teardown.ts',
    }),
    level('images', ['<rootDir>/test/images/**/*.test.ts'], {
      globalSetup: '<rootDir>/test/support/e2e-setup.ts',
      globalTeardown: '<rootDir>/test/support/teardown.ts',
    }),
    // Installs, upgrades and outages: each file has a stack of its own.
    level('operate', ['<rootDir>/test/operate/**/*.test.ts']),
  ],
};
