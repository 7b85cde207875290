// What the actions of database 15.0.0:0 take, as written by hearth s9pk types.
import type { ActionInfo } from "@hearthos/sdk";

export type Settings = ActionInfo<"settings", {
  "connections": number;
  "metrics": boolean;
}>;
