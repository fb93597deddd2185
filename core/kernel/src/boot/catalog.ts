import type { AnyDriver, AnyProgram, IctError } from '@ictcore/contract';
import { invalid } from '@ictcore/contract';
import { Lifecycle, scoped } from 'tsyringe';

/** The programs and drivers in force: those of plugins that have started. Filled by the kernel once, at boot. */
@scoped(Lifecycle.ContainerScoped)
export class Catalog {
  private readonly programTypes = new Map<string, AnyProgram>();
  private readonly driverTypes = new Map<string, AnyDriver>();

  fill(programs: readonly AnyProgram[], drivers: readonly AnyDriver[]): void {
    for (const program of programs) this.programTypes.set(program.type, program);
    for (const driver of drivers) this.driverTypes.set(driver.type, driver);
  }

  program(type: string): AnyProgram | undefined {
    return this.programTypes.get(type);
  }

  driver(type: string): AnyDriver | undefined {
    return this.driverTypes.get(type);
  }

  programs(): AnyProgram[] {
    return [...this.programTypes.values()];
  }

  drivers(): AnyDriver[] {
    return [...this.driverTypes.values()];
  }

  /** 412 for a provider or program `type` that no plugin brings, naming those that are there. */
  unknownType(type: unknown, known: readonly string[]): IctError {
    const given = type === undefined ? 'is required' : `${JSON.stringify(type)} is not known`;
    return invalid(
      'type',
      `${given}; there are: ${[...known].sort().join(', ') || 'none (no plugin brings one)'}`,
      'enum',
    );
  }
}
