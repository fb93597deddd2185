import type { AnyRoute } from '@ictcore/contract';
import type { DependencyContainer } from 'tsyringe';
import { Catalog } from '../boot/catalog';
import type { KernelModule } from '../boot/injection';
import { ResourceDirectory } from '../database/resource-directory';
import { programRoutes, programTypeRoute } from './program.routes';
import { ProgramService } from './program.service';

export { ProgramRow } from './program.model';
export { programSpec } from './program.schema';
export { ProgramService } from './program.service';

export const programsModule: KernelModule = {
  name: 'programs',
  setup(registry, container) {
    const service = container.resolve(ProgramService);
    container.resolve(ResourceDirectory).add(service.repository);
    registry.routes(programRoutes(service));
  },
  lateRoutes(container: DependencyContainer): AnyRoute[] {
    const service = container.resolve(ProgramService);
    return container
      .resolve(Catalog)
      .programs()
      .map((program) => programTypeRoute(program, service));
  },
};
