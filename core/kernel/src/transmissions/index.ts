import { TRANSMISSIONS } from '@ictcore/contract';
import type { KernelModule } from '../boot/injection';
import { Services } from '../boot/services';
import { ResourceDirectory } from '../database/resource-directory';
import { fromZod } from '../http/error-reply';
import { ProgramTransmissions } from './program-transmissions';
import { SpoolService } from './spool.service';
import { programTransmissionRoutes, spoolRoutes, transmissionRoutes } from './transmission.routes';
import { type TransmissionCreate, transmissionCreate } from './transmission.schema';
import { TransmissionService } from './transmission.service';

export { Spool, SpoolResult } from './spool.model';
export { resultSpec, spoolSpec } from './spool.schema';
export { Transmission } from './transmission.model';
export { TRANSMISSION_PATHS } from './transmission.routes';
export { transmissionSpec } from './transmission.schema';
export { TransmissionService } from './transmission.service';

export const transmissionsModule: KernelModule = {
  name: 'transmissions',
  setup(registry, container) {
    const service = container.resolve(TransmissionService);
    const spools = container.resolve(SpoolService);
    const directory = container.resolve(ResourceDirectory);
    directory.add(service.repository);
    directory.add(spools.spools);
    registry.routes(transmissionRoutes(service, spools));
    registry.routes(spoolRoutes(spools));
    registry.routes(programTransmissionRoutes(container.resolve(ProgramTransmissions), service));
    registry.service(TRANSMISSIONS, () => ({
      create: (actor, input) => service.create(actor, validated(input)),
      send: (actor, id) => service.send(actor, id),
    }));
    container.resolve(Services).addTransactional(TRANSMISSIONS, (tx) => ({
      create: (actor, input) => service.createIn(actor, validated(input), tx),
      send: () => Promise.reject(new Error('send after the transaction, not within it')),
    }));
  },
};

function validated(input: Readonly<Record<string, unknown>>): TransmissionCreate {
  const result = transmissionCreate.safeParse(input);
  if (result.success) return result.data;
  throw fromZod(result.error, 412, 'transmission');
}
