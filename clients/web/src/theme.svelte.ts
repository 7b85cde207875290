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
