import type { AnyRoute, Logger, Registry } from '@ictcore/contract';
import type { DependencyContainer, InjectionToken } from 'tsyringe';
import type { Config } from './config';

/**
 * Injection tokens for what classes cannot name by class. Classes of the kernel are `@scoped(ContainerScoped)`: one
 * instance per kernel. Never `@singleton()`, which every kernel of the process would share.
 */
export const CONFIG: InjectionToken<Config> = Symbol('Config');
export const LOG: InjectionToken<Logger> = Symbol('Logger');
/** Id of this boot in the `node` table. */
export const NODE_ID: InjectionToken<number> = Symbol('NodeId');

/** A noun of the kernel. It registers through the same registry as plugins do. */
export interface KernelModule {
  /** Last part of the built-in plugin's name, `@ictcore/kernel/<name>`. */
  readonly name: string;
  setup(registry: Registry<never>, container: DependencyContainer): void;
  /** Routes that follow from what plugins have brought; asked for once all of them have started. */
  lateRoutes?(container: DependencyContainer): AnyRoute[];
}
