/** On whose behalf something happens. Always an explicit argument, never a global. */
export interface Actor {
  readonly userId: number;
  readonly username: string;
  /**
   * True if the actor holds this permission. `contact` grants every `contact_*` except `contact_admin`, which must be
   * granted by its own name (API section 5.2).
   */
  can(permission: string): boolean;
}
