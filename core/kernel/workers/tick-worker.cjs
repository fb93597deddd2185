// The engine's pulse: one thread for the life of the server instead of a new one each second.
const { parentPort, workerData } = require('node:worker_threads');

const timer = setInterval(() => parentPort.postMessage({ type: 'tick' }), workerData.everyMs);
parentPort.on('message', (message) => {
  if (message === 'cancel') {
    clearInterval(timer);
    process.exit(0);
  }
});
