// One project for tests beside the code, one for black-box tests against a running server and real peers.
const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    {
      jsc: {
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        target: 'es2022',
        keepClassNames: true,
      },
      module: { type: 'commonjs' },
      sourceMaps: 'inline',
    },
  ],
};
const common = {
  testEnvironment: 'node',
  // Packages find each other's TypeScript source, so that no build is needed before a test.
  testEnvironmentOptions: { customExportConditions: ['@ictcore/source', 'node', 'require', 'default'] },
  modulePathIgnorePatterns: ['/dist/', '<rootDir>/data/', '<rootDir>/temp/'],
  transform,
};

/** @type {import('jest').Config} */
module.exports = {
  testTimeout: 30_000,
  coverageProvider: 'v8',
  collectCoverageFrom: [
    '{core,plugins,providers}/*/src/**/*.ts',
    'test/kit/src/**/*.ts',
    '!**/*.test.ts',
    '!**/dist/**',
  ],
  projects: [
    {
      ...common,
      displayName: 'unit',
      roots: [
        '<rootDir>/core',
        '<rootDir>/plugins',
        '<rootDir>/providers',
        '<rootDir>/test/kit',
        '<rootDir>/test/peers',
      ],
      testMatch: ['**/src/**/*.test.ts'],
      globalSetup: '<rootDir>/test/postgres-setup.cjs',
      globalTeardown: '<rootDir>/test/postgres-teardown.cjs',
    },
    {
      ...common,
      displayName: 'e2e',
      roots: ['<rootDir>/test/e2e'],
      testMatch: ['**/src/**/*.test.ts'],
      globalSetup: '<rootDir>/test/postgres-setup.cjs',
      globalTeardown: '<rootDir>/test/postgres-teardown.cjs',
    },
  ],
};
