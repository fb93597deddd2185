import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Path of a compiled file of this package that runs outside of the caller: workers start from JavaScript, also when
 * the package itself is used from its source (tests, development).
 * @param name below dist, for example `worker/main.js`
 * @throws Error when the package was not built
 */
export function builtFile(name: string): string {
  const places = [join(__dirname, name), join(__dirname, '..', 'dist', name)];
  const path = places.find((place) => existsSync(place));
  if (path === undefined) {
    throw new Error(`@ictcore/media is not built: ${name} is missing from its dist folder. Run: npx tsc -b core/media`);
  }
  return path;
}
