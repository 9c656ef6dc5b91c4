// Numbers that stand for pictures and masks whose names may not be known (yet). Pure.

/** By what each is for. */
type Content = Readonly<Record<string, string | null>>;

export class Contents {
  private known = new Map<number, Content>();
  private numbers = new Map<string, number>();
  private last = 0;

  /** A number for something that nothing is known of. */
  next(): number {
    return ++this.last;
  }

  /** The number of something known: the likely one, unless that is known to stand for something else. */
  numberOf(content: Content, likely?: number): number {
    const key = JSON.stringify(content);
    const former = likely === undefined ? undefined : (this.known.get(likely) ?? {});
    const fits = former && Object.keys(content).every((name) => !(name in former) || former[name] === content[name]);
    const number = fits && likely !== undefined ? likely : (this.numbers.get(key) ?? this.next());
    this.known.set(number, { ...this.known.get(number), ...content });
    this.numbers.set(key, number);
    return number;
  }

  /** What a number stands for, as far as that is known. */
  of(number: number): Content {
    return this.known.get(number) ?? {};
  }
}
