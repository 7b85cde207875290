/** Asks the person for the password again, for what wants a fresh proof of who calls. */
class Proving {
  open = $state(false);
  #answer: ((proven: boolean) => void) | undefined;

  /** Answers whether the password was proven. Whoever asks while it is being asked hears the same. */
  ask(): Promise<boolean> {
    const before = this.#answer;
    this.open = true;
    return new Promise((resolve) => {
      this.#answer = (proven) => {
        before?.(proven);
        resolve(proven);
      };
    });
  }

  answer(proven: boolean): void {
    this.open = false;
    this.#answer?.(proven);
    this.#answer = undefined;
  }
}

export const proving = new Proving();
