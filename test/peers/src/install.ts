import { isPeerName, PEERS } from './peer-catalogue';
import { installPeers } from './peer-install';

/**
 * Command line: `node test/peers/dist/install.js postfix smsc ...` (`all` for every peer).
 * Exit status 0 when all of them are installed, 1 when not, 2 for a wrong name.
 */
function main(argv: readonly string[]): number {
  const names = argv.includes('all') ? Object.keys(PEERS) : argv;
  const wrong = names.filter((name) => !isPeerName(name));
  if (names.length === 0 || wrong.length > 0) {
    if (wrong.length > 0) console.error(`unknown peer: ${wrong.join(', ')}`);
    console.error(`usage: install.js all | ${Object.keys(PEERS).join(' | ')} ...`);
    return 2;
  }
  try {
    const installed = installPeers(names.filter(isPeerName));
    console.log(installed.length === 0 ? 'nothing to install' : `installed: ${installed.join(', ')}`);
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
