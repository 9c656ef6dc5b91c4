// What was asked and is not in the settings yet: whoever asks for more at once must know of it.

interface Wish<Value> {
  value: Value;
  /** Whether it acts: the settings say so in a moment. */
  acts: boolean;
}

/** Wishes by what they are about; the last one counts. */
export class Wishes<Value> {
  private readonly asked = new Map<string, Wish<Value>>();

  get(about: string): Value | undefined {
    return this.asked.get(about)?.value;
  }

  /** Ask for something. `answer` resolves to null where it is refused. */
  ask(about: string, value: Value, answer: Promise<object | null>): void {
    const wish = { value, acts: false };
    this.asked.set(about, wish);
    void answer.then((applied) => {
      wish.acts = true;
      if (!applied && this.asked.get(about) === wish) this.asked.delete(about);
    });
  }

  /** The settings have changed: what acts is in them. */
  settle(): void {
    for (const [about, { acts }] of this.asked) if (acts) this.asked.delete(about);
  }

  clear(): void {
    this.asked.clear();
  }
}
