import { defaults, settings } from "./settings";
import { sdk } from "./sdk";

const { InputSpec, Value } = sdk;

const input = InputSpec.of({
  greeting: Value.text({
    name: "Greeting",
    description: "What the page says, in large letters.",
    required: true,
    default: defaults.greeting,
    maxLength: 80,
  }),
  color: Value.color({
    name: "Colour",
    description: "The background of the page.",
    required: true,
    default: defaults.color,
  }),
});

/** Sets what the page says. The running service sees the change of the file and restarts with it. */
export const setGreeting = sdk.Action.withInput(
  "set-greeting",
  async () => ({
    name: "Set greeting",
    description: "Choose the words and the colour of the page.",
    warning: null,
    allowedStatuses: "any",
    group: null,
    visibility: "enabled",
  }),
  input,
  async () => settings.read().once(),
  async ({ effects, input: { greeting, color } }) => {
    await settings.merge(effects, { greeting, color });
    return {
      version: "1",
      title: "The greeting is set",
      message: "The page shows it when the service has restarted.",
      result: { type: "single", value: greeting, copyable: true, qr: false, masked: false },
    };
  },
);

export const actions = sdk.Actions.of().addAction(setGreeting);
