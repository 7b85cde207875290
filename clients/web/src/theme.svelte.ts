import { MediaQuery } from "svelte/reactivity";

const key = "hearth-theme";

export type Theme = "light" | "dark" | "system";

function stored(): Theme {
  const value = localStorage.getItem(key);
  return value === "light" || value === "dark" ? value : "system";
}

let chosen = $state<Theme>(stored());

/** What the person chose on this device. */
export function theme(): Theme {
  return chosen;
}

const device = new MediaQuery("prefers-color-scheme: dark");

/** Whether the page is dark now: as the person chose, else as the device is, which may change by itself in the evening. */
export function dark(): boolean {
  return chosen === "dark" || (chosen === "system" && device.current);
}

/** Shows the page in the chosen colours. */
export function applyTheme(): void {
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
}

export function chooseTheme(theme: Theme): void {
  chosen = theme;
  if (theme === "system") localStorage.removeItem(key);
  else localStorage.setItem(key, theme);
  applyTheme();
}
