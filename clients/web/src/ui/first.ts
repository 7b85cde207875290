/** Puts the cursor into the first field of a dialog's body, if it has any yet. */
export function enterFirstField(dialog: HTMLElement): boolean {
  const field = dialog.querySelector<HTMLElement>(".dialog-body :is(input, select, textarea):not(:disabled)");
  field?.focus();
  return field !== null;
}
