/** Something to be confirmed before it is done. */
export interface Question {
  readonly title: string;
  readonly text?: string;
  /** Names of what it concerns, such as the services that will stop working. */
  readonly names?: readonly string[];
  readonly yes: string;
  readonly danger?: boolean;
  /** What has to be typed first. */
  readonly typed?: string;
}

class Asking {
  question = $state.raw<Question | undefined>();
  #answer: ((yes: boolean) => void) | undefined;

  ask(question: Question): Promise<boolean> {
    this.#answer?.(false);
    this.question = question;
    return new Promise((resolve) => (this.#answer = resolve));
  }

  answer(yes: boolean): void {
    this.question = undefined;
    this.#answer?.(yes);
    this.#answer = undefined;
  }
}

export const asking = new Asking();

/** Asks, and answers whether the person said yes. */
export const ask = (question: Question): Promise<boolean> => asking.ask(question);
