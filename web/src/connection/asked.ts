// Commands that were asked for and not answered yet. They go out in order, again over a lost connection, and each acts once.

/** A command that does not act: `code` for us, the message for the person. */
export class Rejected extends Error {
  constructor(
    readonly code: string,
    text: string,
  ) {
    super(text);
  }
}

/** Where and when a command took effect. */
export interface Applied {
  step: number;
  node: number;
}

interface Waiting {
  message: Uint8Array<ArrayBuffer>;
  /** Whether the engine may have it. */
  isSent: boolean;
  resolve(applied: Applied): void;
  reject(problem: Rejected): void;
}

type Send = (message: Uint8Array<ArrayBuffer>) => void;

export class Asked {
  private readonly waiting = new Map<number, Waiting>();

  /** Resolves when it acts. */
  add(op: number, message: Uint8Array<ArrayBuffer>): Promise<Applied> {
    return new Promise((resolve, reject) => {
      this.waiting.set(op, { message, isSent: false, resolve, reject });
    });
  }

  has(op: number): boolean {
    return this.waiting.has(op);
  }

  send(op: number, send: Send): void {
    const one = this.waiting.get(op);
    if (!one) return;
    one.isSent = true;
    send(one.message);
  }

  /** Whoever has come anew cannot know what came to act before; what comes twice acts once. */
  sendAll(send: Send): void {
    for (const op of this.waiting.keys()) this.send(op, send);
  }

  /** There is no engine yet that could take it: it waits as if it had never left. */
  takeBack(op: number): void {
    const one = this.waiting.get(op);
    if (one) one.isSent = false;
  }

  resolve(op: number, applied: Applied): void {
    this.waiting.get(op)?.resolve(applied);
    this.waiting.delete(op);
  }

  reject(op: number, problem: Rejected): void {
    this.waiting.get(op)?.reject(problem);
    this.waiting.delete(op);
  }

  rejectAll(problem: Rejected): void {
    for (const op of [...this.waiting.keys()]) this.reject(op, problem);
  }

  /** Another engine is there: what the former one was asked may have acted, or not. */
  rejectSent(problem: Rejected): void {
    for (const [op, { isSent }] of [...this.waiting]) if (isSent) this.reject(op, problem);
  }
}
