import type { Page } from "./routes.js";

/** The areas of the page, each loaded when somebody first goes there. */
export const areas = {
  "": () => import("./features/home/Home.svelte"),
  services: () => import("./features/service/Service.svelte"),
  discover: () => import("./features/discover/Discover.svelte"),
  sideload: () => import("./features/sideload/Sideload.svelte"),
  activity: () => import("./features/activity/Activity.svelte"),
  notifications: () => import("./features/notifications/Notifications.svelte"),
  system: () => import("./features/system/System.svelte"),
};

/** What loads an area, if the page has one there. */
export function areaOf(page: Page | undefined): (typeof areas)[keyof typeof areas] | undefined {
  return page !== undefined && page in areas ? areas[page as keyof typeof areas] : undefined;
}
