// Runs in a worker thread that Bree starts when a job is due. Asks the server whether this node may run it now, then
// loads the job's file here. A job without a file is run by the server itself; this thread has only been its clock.
const { syncBuiltinESMExports } = require('node:module');
const { pathToFileURL } = require('node:url');
const threads = require('node:worker_threads');

const { parentPort, workerData } = threads;
const { file, data } = workerData;

parentPort.once('message', async (answer) => {
  if (answer?.type !== 'go' || !file) process.exit(0);
  // What the job posts goes to the plugin's onMessage; wrapped, because Bree acts on some messages itself.
  const post = parentPort.postMessage.bind(parentPort);
  parentPort.postMessage = (message) => post({ type: 'post', message });
  threads.workerData = data;
  syncBuiltinESMExports();
  await import(pathToFileURL(file).href);
});
parentPort.postMessage({ type: 'due' });
