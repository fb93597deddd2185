import type { KernelModule } from '../boot/injection';
import { KERNEL_COUNTERS } from './kernel-counters';
import { statisticRoutes } from './statistic.routes';
import { StatisticService } from './statistic.service';
import { StatisticCounters } from './statistic-counters';

export { StatisticService } from './statistic.service';
export { narrowed, STATISTIC_PARAMETERS, type StatisticCounter, StatisticCounters } from './statistic-counters';

export const statisticsModule: KernelModule = {
  name: 'statistics',
  setup(registry, container) {
    container.resolve(StatisticCounters).add(...KERNEL_COUNTERS);
    registry.routes(statisticRoutes(container.resolve(StatisticService)));
  },
};
