// Writes docs/configuration.md and config/default.json from the configuration's schema. Needs a build.
const { writeFileSync } = require('node:fs');
const path = require('node:path');
const { renderDefaults, renderPage } = require('./e2e/dist/support/configuration-docs.js');

const ROOT = path.resolve(__dirname, '..');
writeFileSync(path.join(ROOT, 'docs', 'configuration.md'), renderPage());
writeFileSync(path.join(ROOT, 'config', 'default.json'), renderDefaults());
