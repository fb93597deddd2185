import type { KernelModule } from '../boot/injection';
import { CampaignService } from '../campaigns';
import { Database } from '../database/database';
import { ResourceDirectory } from '../database/resource-directory';
import { Engine } from '../queue/engine';
import { TransmissionService } from '../transmissions';
import { scheduleRoutes } from './schedule.routes';
import { ScheduleService } from './schedule.service';
import { ScheduleRunner } from './schedule-runner';

export { Task } from './schedule.model';
export { ScheduleRunner } from './schedule-runner';

export const schedulesModule: KernelModule = {
  name: 'schedules',
  setup(registry, container) {
    const schedules = container.resolve(ScheduleService);
    container.resolve(ResourceDirectory).add(schedules.repository);
    registry.routes(
      scheduleRoutes({
        database: container.resolve(Database),
        schedules,
        campaigns: container.resolve(CampaignService),
        transmissions: container.resolve(TransmissionService),
      }),
    );
    const runner = container.resolve(ScheduleRunner);
    container.resolve(Engine).onTick(() => runner.run());
  },
};
