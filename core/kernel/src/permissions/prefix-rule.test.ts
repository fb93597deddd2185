import { KERNEL_PERMISSIONS } from './kernel-permissions';
import { grants } from './prefix-rule';

const held = (...names: string[]) => new Set(names);

describe('prefix rule', () => {
  it.each([
    ['contact', 'contact', true],
    ['contact', 'contact_read', true],
    ['contact_read', 'contact_read', true],
    ['contact_read', 'contact', false],
    ['contact_read', 'contact_update', false],
    ['contact', 'contacts_read', false],
    ['con', 'contact_read', false],
    ['a', 'a_b_c', true],
    ['a_b', 'a_b_c', true],
    ['a_c', 'a_b_c', false],
    ['contact', 'contact_admin', false],
    ['contact_admin', 'contact_admin', true],
    ['contact_admin', 'contact', false],
    ['contact', 'contact_admin_export', false],
    ['contact_admin', 'contact_admin_export', true],
    ['user', 'user_administer', true],
  ])('%s grants %s: %s', (has, wanted, expected) => {
    expect(grants(held(has), wanted)).toBe(expected);
    // The second answer comes from memory.
    expect(grants(held(has), wanted)).toBe(expected);
  });

  it('is never met by nothing', () => {
    for (const { name } of KERNEL_PERMISSIONS) expect(grants(held(), name)).toBe(false);
    expect(grants(held('contact'), '')).toBe(false);
  });
});

describe('kernel permissions', () => {
  it('are those of the specification, each once', () => {
    const names = KERNEL_PERMISSIONS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining([
        'api_access',
        'program_update',
        'program_execute',
        'text_admin',
        'role_admin',
        'user_password',
      ]),
    );
    expect(names.filter((name) => /^(usr|schedule)/.test(name))).toEqual([]);
    for (const { description } of KERNEL_PERMISSIONS) expect(description).not.toMatch(/undefined/);
  });
});
