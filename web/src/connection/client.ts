// One client of the socket: follows a session, has commands act, and comes back by itself after a lost connection.

import type {
  Ack,
  ClientMessage,
  Edit,
  Failure,
  FrameHeader,
  Hello,
  MovedTo,
  Opening,
  ServerMessage,
  Told,
  Welcome,
} from "../wire";
import { type Applied, Asked, Rejected } from "./asked";
import { KIND, pack, unpack } from "./envelope";
import { delayBefore, soon } from "./reconnect";

export type Command = Edit["set"];
export type Link = "connecting" | "live" | "lost" | "no-access";

export interface Stroke {
  region: string;
  left: number;
  top: number;
  width: number;
  height: number;
  erase: boolean;
  /** Shared by the patches that an undo takes back together. */
  stroke: number;
  rows: Uint8Array; // deflated
}

/** What a client tells. All are called in the order of the messages. */
export interface Listener {
  linked(link: Link): void;
  /** `isRenewed` = the same session in another life of the engine: what was not saved never happened. */
  welcomed(message: Welcome, isRenewed: boolean): void;
  told(message: Told): void;
  moved(message: MovedTo): void;
  framed(header: FrameHeader, jpeg: Uint8Array<ArrayBuffer>): Promise<void>;
  failed(message: Failure): void;
}

const LOST_START = "The connection was lost before the picture had begun: try it again.";
const RENEWED = "The engine was started again before this acted: try it once more.";
const ELSEWHERE = "Another session is looked at now.";
const ACK_DELAY = 100;
/** How long after a server has said that its engine is not there (yet) it is asked again. */
const NOT_READY_DELAY = 1000;

export class Client {
  readonly name = `page-${crypto.randomUUID()}`;
  private socket: WebSocket | null = null;
  private session: string | null = null;
  private epoch: string | null = null;
  private lastSeq: number | null = null;
  private lastFrame: number | null = null;
  private nextOp = 1;
  private readonly asked = new Asked();
  private readonly starting = new Map<number, { resolve(session: string): void; reject(problem: Rejected): void }>();
  /** Whether what waits is sent again after the next welcome; until then nothing else is, so that all of it acts in order. */
  private isCatchingUp = false;
  private attempt = 0;
  private cancelRetry: (() => void) | null = null;
  private acking: ReturnType<typeof setTimeout> | null = null;
  private asking: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly url: string,
    private readonly listener: Listener,
    private readonly mayEnter: () => Promise<boolean>,
  ) {}

  /** Connect, and stay connected. */
  open(): void {
    this.cancelRetry?.();
    this.cancelRetry = null;
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.isCatchingUp = this.session !== null;
      this.greet();
      this.listener.linked("live");
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => this.hear(event.data);
    socket.onclose = () => this.lose(socket);
  }

  /** Follow a session from now on; null = none. */
  follow(session: string | null): void {
    for (const one of this.starting.values()) one.reject(new Rejected("superseded", ELSEWHERE));
    this.starting.clear();
    this.leave(session);
    if (this.isOpen) this.greet();
  }

  /** Begin a session and follow it, once it is there. Resolves to its id. */
  start(opening: Opening): Promise<string> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) {
        reject(new Rejected("lost", "The studio cannot be reached now: it is tried again by itself."));
        return;
      }
      const op = this.nextOp++;
      this.starting.set(op, { resolve, reject });
      this.send({ type: "start", op, opening });
    });
  }

  /** Have a command act. Resolves when it does; kept and sent again over a lost connection. */
  edit(command: Command): Promise<Applied> {
    return this.ask((op) => pack({ type: "edit", op, session: this.session, set: command } satisfies Edit));
  }

  /** Paint into a region's mask, or erase. */
  stroke({ rows, ...rest }: Stroke): Promise<Applied> {
    return this.ask((op) => pack({ type: "mask", op, session: this.session, ...rest }, rows, KIND.mask));
  }

  private get isOpen(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  private ask(message: (op: number) => Uint8Array<ArrayBuffer>): Promise<Applied> {
    const op = this.nextOp++;
    const answer = this.asked.add(op, message(op));
    if (this.isOpen && !this.isCatchingUp) this.asked.send(op, this.post);
    return answer;
  }

  private readonly post = (message: Uint8Array<ArrayBuffer>) => this.socket?.send(message);

  /** Look at another session from now on. */
  private leave(next: string | null): void {
    this.session = next;
    this.epoch = this.lastSeq = null;
    this.isCatchingUp = false;
    this.asked.rejectAll(new Rejected("not-now", ELSEWHERE));
  }

  private greet(): void {
    const hello: Hello = { type: "hello", client: this.name, session: this.session };
    if (this.lastSeq !== null) Object.assign(hello, { epoch: this.epoch, last_seq: this.lastSeq });
    this.lastFrame = null;
    this.send(hello);
  }

  private send(message: ClientMessage): void {
    this.socket?.send(pack(message));
  }

  private hear(data: ArrayBuffer): void {
    const { header, payload } = unpack(data);
    const message = header as unknown as ServerMessage;
    switch (message.type) {
      case "welcome":
        this.enter(message);
        break;
      case "event":
        this.settle(message);
        break;
      case "moved":
        this.listener.moved(message);
        break;
      case "frame":
        // a frame counts as dealt with once it has been decoded: a slow page gets fewer
        void this.listener.framed(message, payload as Uint8Array<ArrayBuffer>).finally(() => {
          this.lastFrame = Math.max(this.lastFrame ?? 0, message.number);
          this.acknowledge(0);
        });
        break;
      case "error":
        this.refuse(message);
        break;
      case "bye":
        break;
    }
  }

  private enter(message: Welcome): void {
    // not before: a server that has no room takes the socket, and closes it
    this.attempt = 0;
    const started = message.op == null ? undefined : this.starting.get(message.op);
    if (started && message.op != null && message.session) {
      this.starting.delete(message.op);
      this.leave(message.session);
      started.resolve(message.session);
    } else if ((message.session ?? null) !== this.session) {
      // the answer to an earlier question: another session is looked at by now
      return;
    }
    const isRenewed = message.epoch != null && this.epoch !== null && this.epoch !== message.epoch;
    if (isRenewed) this.asked.rejectSent(new Rejected("worker-lost", RENEWED));
    if (message.epoch && message.view) {
      if (this.epoch !== message.epoch) this.lastSeq = message.view.place.seq - 1;
      this.epoch = message.epoch;
    }
    this.catchUp();
    this.listener.welcomed(message, isRenewed);
  }

  private catchUp(): void {
    this.isCatchingUp = false;
    this.asked.sendAll(this.post);
  }

  private settle(message: Told): void {
    const { event, op } = message;
    this.lastSeq = event.seq;
    if (op != null) {
      if (event.kind === "command-applied") this.asked.resolve(op, { step: event.applied_step, node: event.node });
      else if (event.kind === "command-rejected") this.asked.reject(op, new Rejected(event.code, event.text));
    }
    this.listener.told(message);
    this.acknowledge(ACK_DELAY);
  }

  private refuse(message: Failure): void {
    const problem = new Rejected(message.code, message.text);
    const op = message.op ?? null;
    if (message.code === "not-ready" && this.epoch !== null && (op === null || this.asked.has(op))) {
      if (op !== null) this.asked.takeBack(op);
      this.askAgain();
      return;
    }
    if (op !== null && (this.asked.has(op) || this.starting.has(op))) {
      this.starting.get(op)?.reject(problem);
      this.starting.delete(op);
      this.asked.reject(op, problem);
      return;
    }
    if (this.isCatchingUp) this.catchUp();
    this.listener.failed(message);
  }

  /** The session was there before, so it will be there again: what was asked waits for its engine. */
  private askAgain(): void {
    this.isCatchingUp = true;
    this.asking ??= setTimeout(() => {
      this.asking = null;
      if (this.isOpen) this.greet();
    }, NOT_READY_DELAY);
  }

  private acknowledge(delay: number): void {
    if (delay > 0) {
      this.acking ??= setTimeout(() => this.acknowledge(0), delay);
      return;
    }
    if (this.acking !== null) clearTimeout(this.acking);
    this.acking = null;
    if (!this.isOpen) return;
    const ack: Ack = { type: "ack" };
    if (this.lastSeq !== null && this.lastSeq >= 0) ack.seq = this.lastSeq;
    if (this.lastFrame !== null) ack.frame = this.lastFrame;
    this.send(ack);
  }

  private lose(socket: WebSocket): void {
    if (socket !== this.socket) return;
    this.socket = null;
    for (const one of this.starting.values()) one.reject(new Rejected("lost", LOST_START));
    this.starting.clear();
    void this.retry();
  }

  /** Try again, unless the server lives and does not know this browser any more. */
  private async retry(): Promise<void> {
    this.listener.linked("lost");
    const known = await this.mayEnter();
    if (!known) {
      this.listener.linked("no-access");
      return;
    }
    this.cancelRetry = soon(() => this.open(), delayBefore(this.attempt++));
  }
}
