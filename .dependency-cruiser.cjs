// The dependency rule (docs/adr/0002): contract <- kernel <- server; contract <- plugins, providers.
const leaf = '^(core/(contract|media|gsm)|test/(kit|peers))/';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'contract-stands-alone',
      comment: 'The contract knows nobody.',
      severity: 'error',
      from: { path: '^core/contract/' },
      to: { path: '^(core|plugins|providers|test)/', pathNot: '^core/contract/' },
    },
    {
      name: 'leaf-libraries-stand-alone',
      comment: 'postgres, media and gsm are libraries: they know nothing of ICTCore.',
      severity: 'error',
      from: { path: '^core/(postgres|media|gsm)/' },
      to: { path: '^(core|plugins|providers|test)/', pathNot: '^core/$1/' },
    },
    {
      name: 'kernel-names-no-plugin',
      comment: 'The kernel knows the contract and leaf libraries, never the server or a plugin.',
      severity: 'error',
      from: { path: '^core/kernel/', pathNot: ['[.]test([.]support)?[.]ts$', '/src/testing/'] },
      to: { path: '^(core/server|plugins|providers|test)/' },
    },
    {
      name: 'plugins-import-only-the-contract',
      comment: 'Plugins meet through events, follow-ups and tokens, never by importing each other or the kernel.',
      severity: 'error',
      from: { path: '^(plugins|providers)/([^/]+)/' },
      to: { path: '^(core|plugins|providers|test)/', pathNot: ['^$1/$2/', leaf] },
    },
    {
      name: 'kit-imports-only-the-contract',
      severity: 'error',
      from: { path: '^test/kit/' },
      to: { path: '^(core|plugins|providers|test)/', pathNot: ['^test/kit/', '^core/contract/'] },
    },
    {
      name: 'kit-only-in-tests',
      comment: 'The test kit and the peers are for tests.',
      severity: 'error',
      from: { path: '^(core|plugins|providers)/', pathNot: ['[.]test([.]support)?[.]ts$', '/src/testing/'] },
      to: { path: '^test/' },
    },
    {
      name: 'testing-only-in-tests',
      comment: 'src/testing/ holds helpers of tests and is not published.',
      severity: 'error',
      from: { path: '^(core|plugins|providers)/', pathNot: ['[.]test([.]support)?[.]ts$', '/src/testing/'] },
      to: { path: '/src/testing/' },
    },
    {
      name: 'through-the-index',
      comment: 'Packages are used through their index, not by reaching into their files.',
      severity: 'error',
      from: { path: '^(core|plugins|providers|test)/([^/]+)/' },
      to: { path: '^(core|plugins|providers|test)/[^/]+/src/', pathNot: ['^$1/$2/', '/src/index[.]ts$'] },
    },
    {
      name: 'declared-dependencies',
      severity: 'error',
      from: { pathNot: '[.]test([.]support)?[.]ts$' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|node_modules|temp)/' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@ictcore/source', 'import', 'require', 'node', 'default'],
    },
    combinedDependencies: true,
  },
};
