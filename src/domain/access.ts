/** Who may do what at a listener: each role may also do what those before it may. */
export const ROLES = ['read', 'register', 'admin'] as const;

export type Role = (typeof ROLES)[number];

/** A secret, and what whoever sends it may do. */
export interface RoleToken {
  readonly role: Role;
  readonly token: string;
}

/** Whether a role may do what is open to `needed`. */
export function mayDo(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
