/** Gives the path of an effect on the Effects object.
 * @example pathOf("action.create-task") // ["action", "createTask"]
 */
export function pathOf(effect: string): string[] {
  return effect.split(".").map((part) => part.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()));
}
