// The contract's public surface, frozen (docs/adr/0009): `node test/api-report.cjs check` compares it with the committed
// report core/contract/api/contract.api.md, `update` writes the report anew.
// api-extractor reads the built declarations with a TypeScript of its own: TypeScript 7 has no JavaScript API.
const { existsSync, mkdirSync } = require('node:fs');
const path = require('node:path');
const { Extractor, ExtractorConfig, ExtractorLogLevel } = require('@microsoft/api-extractor');

const ROOT = path.resolve(__dirname, '..');
const FOLDER = path.join(ROOT, 'core', 'contract');
const ENTRY = path.join(FOLDER, 'dist', 'index.d.ts');
const REPORT_FOLDER = path.join(FOLDER, 'api');
const REPORT = path.join(REPORT_FOLDER, 'contract.api.md');

const quiet = { logLevel: ExtractorLogLevel.None, addToApiReportFile: false };
const strict = { logLevel: ExtractorLogLevel.Error, addToApiReportFile: false };

/** What api-extractor is to do; in code rather than in api-extractor.json, so that paths and rules stand together. */
function extractorConfig() {
  return ExtractorConfig.prepare({
    packageJsonFullPath: path.join(FOLDER, 'package.json'),
    configObjectFullPath: path.join(FOLDER, 'api-extractor.json'),
    configObject: {
      projectFolder: FOLDER,
      mainEntryPointFilePath: ENTRY,
      newlineKind: 'lf',
      compiler: {
        // Nothing of the workspace's own settings: `lib` and `customConditions` there are for newer compilers.
        overrideTsconfig: {
          compilerOptions: {
            target: 'ES2022',
            lib: ['ES2022'],
            module: 'node16',
            moduleResolution: 'node16',
            strict: true,
            exactOptionalPropertyTypes: true,
            skipLibCheck: true,
            types: ['node'],
          },
          files: [ENTRY],
        },
      },
      apiReport: {
        enabled: true,
        reportFileName: 'contract.api.md',
        reportFolder: REPORT_FOLDER,
        reportTempFolder: path.join(ROOT, 'temp', 'api'),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: strict },
        extractorMessageReporting: {
          default: strict,
          // Everything that is exported is public; there are no alpha and beta tags to ask for.
          'ae-missing-release-tag': quiet,
          // Members whose name and type say it all need no sentence.
          'ae-undocumented': quiet,
          // {@link NAME} to a constant that is also a type is fine for readers.
          'ae-unresolved-link': quiet,
        },
        tsdocMessageReporting: { default: quiet },
      },
    },
  });
}

function main(command) {
  if (command !== 'check' && command !== 'update') {
    process.stderr.write('usage: node test/api-report.cjs check|update\n');
    return 2;
  }
  if (!existsSync(ENTRY)) {
    process.stderr.write('core/contract/dist is not there; run `npm run build` first\n');
    return 1;
  }
  mkdirSync(REPORT_FOLDER, { recursive: true });
  let problems = 0;
  let difference = '';
  const result = Extractor.invoke(extractorConfig(), {
    localBuild: command === 'update',
    showVerboseMessages: false,
    printApiReportDiff: true,
    messageCallback: (message) => {
      message.handled = true;
      // That the report has changed is said below, with the difference.
      if (message.messageId === 'console-api-report-diff')
        difference = message.text.slice(message.text.indexOf('@@')).trim();
      if (message.category === 'console' || message.logLevel !== ExtractorLogLevel.Error) return;
      problems++;
      const file = message.sourceFilePath
        ? `${path.relative(ROOT, message.sourceFilePath)}:${message.sourceFileLine} `
        : '';
      process.stderr.write(`${file}${message.text} (${message.messageId})\n`);
    },
  });
  if (problems > 0 || result.errorCount > 0) return 1;
  if (!result.apiReportChanged) {
    process.stdout.write('The public surface of @ictcore/contract is as its report says.\n');
    return 0;
  }
  if (command === 'update') {
    process.stdout.write(`${path.relative(ROOT, REPORT)} is written anew; look at its difference and commit it.\n`);
    return 0;
  }
  process.stderr.write(
    `The public surface of @ictcore/contract has changed:\n\n${difference}\n\n` +
      'If this is meant: `npm run api:update`, raise the version of the contract (what is taken away or demanded anew: ' +
      'the major one), and commit the report.\n',
  );
  return 1;
}

process.exitCode = main(process.argv[2]);
