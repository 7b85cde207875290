import { Role } from "@hearthos/api/hearth/options/v1/options_pb";

/** The roles that people and tokens may have, the smallest first, with the keys of their names. */
export const roles = [
  { role: Role.VIEWER, key: "page.role.viewer" },
  { role: Role.OPERATOR, key: "page.role.operator" },
  { role: Role.ADMIN, key: "page.role.admin" },
  { role: Role.OWNER, key: "page.role.owner" },
] as const;

/** The key of a role's name. */
export const roleKey = (role: Role | undefined): string => roles.find((known) => known.role === role)?.key ?? "page.role.viewer";
