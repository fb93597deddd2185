/**
 * The permissions that would grant `permission`: itself and each of its prefixes at an underscore, so that `contact`
 * grants `contact_read` (API section 5.2). The exception: `admin` is never implied. `contact` does not grant
 * `contact_admin`, or everybody who may have contacts would see everybody's.
 */
function grantersOf(permission: string): string[] {
  const words = permission.split('_');
  const fromAdmin = words.lastIndexOf('admin') + 1;
  const granters: string[] = [];
  for (let length = Math.max(1, fromAdmin); length <= words.length; length++) {
    granters.push(words.slice(0, length).join('_'));
  }
  return granters;
}

/** Names of permissions are few and constant, but a path may name any: bounded. */
const MAX_REMEMBERED = 2000;
const remembered = new Map<string, readonly string[]>();

/** True if somebody who holds these permissions may do what `permission` stands for. */
export function grants(held: ReadonlySet<string>, permission: string): boolean {
  if (held.has(permission)) return true;
  let granters = remembered.get(permission);
  if (!granters) {
    granters = grantersOf(permission);
    if (remembered.size < MAX_REMEMBERED) remembered.set(permission, granters);
  }
  return granters.some((name) => held.has(name));
}
