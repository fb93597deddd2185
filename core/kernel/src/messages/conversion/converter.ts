import path from 'node:path';
import { MediaConverter } from '@ictcore/media';
import { type DependencyContainer, instanceCachingFactory } from 'tsyringe';
import { CONFIG } from '../../boot/injection';

/** Sees to it that the kernel has its one converter, unless somebody has registered another before. */
export function provideConverter(container: DependencyContainer): void {
  if (container.isRegistered(MediaConverter)) return;
  container.register(MediaConverter, {
    useFactory: instanceCachingFactory((from) => {
      const { data_dir, media } = from.resolve(CONFIG);
      return new MediaConverter({
        scratchRoot: path.join(data_dir, 'tmp', 'conversions'),
        timeMs: media.convert_timeout * 1000,
        memoryBytes: media.convert_memory * 1024 * 1024,
        allowUnsandboxedOffice: media.allow_unsandboxed_office,
        ...(media.convert_workers !== undefined && { workers: media.convert_workers }),
      });
    }),
  });
}
