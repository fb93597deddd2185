#!/usr/bin/env node
import { isIctError } from '@ictcore/contract';
import { Command } from 'commander';
import { addCampaignCommand } from './cli/campaign-command';
import { addLedgerCommand } from './cli/ledger-command';
import { type RunningServer, serverVersion, startServer } from './start';

const program = new Command('ictcore')
  .description('Voice, fax, SMS and e-mail behind one REST API')
  .version(serverVersion());

program
  .command('start', { isDefault: true })
  .description('Start the server; configured by environment variables and config/local.json (docs/configuration.md)')
  .option('--role <role>', 'all, api or worker (as ICTCORE_ROLE)')
  .action(async (options: { role?: string }) => {
    const environment = options.role === undefined ? process.env : { ...process.env, ICTCORE_ROLE: options.role };
    const server = await startServer(environment, process.cwd());
    announce(server);
    stopOnSignals(server);
  });

addLedgerCommand(program);
addCampaignCommand(program);

program.parseAsync().catch((error: unknown) => {
  // What a user can mend is shown as words; anything else with its stack, for a report.
  const known = isIctError(error) || typeof (error as { code?: unknown })?.code === 'string';
  process.stderr.write(`ictcore: ${known ? (error as Error).message : ((error as Error)?.stack ?? String(error))}\n`);
  process.exitCode = 1;
});

/** What a person needs to see; the log goes to standard error. */
function announce(server: RunningServer): void {
  const lines = server.url
    ? [
        `ICTCore ${serverVersion()} is ready.`,
        `  API:           ${server.url}/api`,
        `  Documentation: ${server.url}/api/docs`,
      ]
    : [`ICTCore ${serverVersion()} is ready (worker).`];
  if (server.adminPassword) {
    lines.push('  User:          admin', `  Password:      ${server.adminPassword}   (shown only this once)`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** SIGTERM and SIGINT stop cleanly; a second signal ends the process at once. */
function stopOnSignals(server: RunningServer): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(1);
    stopping = true;
    process.stderr.write(`ictcore: ${signal}, finishing what is in progress (once more to stop at once)\n`);
    server.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`ictcore: ${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
