// One PostgreSQL cluster for the whole run; each test file clones a database from a template (see @ictcore/postgres).
const { startTestPostgres } = require('../core/postgres/dist/index.js');

module.exports = async () => {
  const postgres = await startTestPostgres();
  process.env.ICTCORE_TEST_POSTGRES = postgres.adminUrl;
  globalThis.__ICTCORE_TEST_POSTGRES__ = postgres;
};
