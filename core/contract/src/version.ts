/**
 * The contract's own semantic version. A plugin names the range it was written for
 * (`"ictcore": { "api": "^1" }` in package.json, `api` in its definition); the kernel declines what does not match.
 */
export const CONTRACT_VERSION = '1.0.0';
