/**
 * Conformance suites for plugins, programs and provider drivers, and the harnesses they are made of.
 *
 * @packageDocumentation
 */
export { type Check, type CheckResult, registerChecks, runChecks } from './check';
export { type DriverContractOptions, type DriverPeer, driverChecks, driverContract } from './driver-contract';
export {
  type ConfigOverrides,
  emailOrder,
  faxOrder,
  memoryFile,
  nextAttempt,
  providerConfig,
  RecordingDriverContext,
  smsOrder,
  voiceOrder,
} from './driver-harness';
export {
  type FakeCall,
  FakeMessages,
  FakeServices,
  fakeActor,
  fakePluginContext,
  fakeProgramContext,
} from './fakes';
export { activeResources, newResources, watchIo } from './io-guard';
export { eventProblems, healthProblems, outcomeProblems } from './outcome-problems';
export { type PluginContractOptions, pluginChecks, pluginContract } from './plugin-contract';
export {
  type InvalidParameters,
  type ProgramContractOptions,
  programChecks,
  programContract,
  schemeProblems,
} from './program-contract';
export { type LogLine, RecordingLogger } from './recording-logger';
export { type EventHandler, type OfferedService, RecordingRegistry } from './recording-registry';
