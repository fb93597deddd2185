import { z } from '@ictcore/contract';

/** A path parameter that names a role or a permission, by id or by name. */
export function idOrNameParam() {
  return z
    .string()
    .min(1)
    .max(255)
    .refine((value) => !value.includes('\0'), 'must not contain NUL')
    .describe('Id or name');
}
