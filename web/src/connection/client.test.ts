import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Opening, Welcome } from "../wire";
import type { Rejected } from "./asked";
import { pack, unpack } from "./envelope";

// it waits with the browser's events; here nobody waits
vi.mock("./reconnect", () => ({ delayBefore: () => 0, soon: (work: () => void) => void setTimeout(work, 0) }));

const { Client } = await import("./client");

/** A socket whose other end is the test. */
class Wire {
  static readonly OPEN = 1;
  static last: Wire;
  readyState = 0;
  binaryType = "";
  readonly sent: Record<string, unknown>[] = [];
  onopen = () => {};
  onclose = () => {};
  onmessage = (_: { data: ArrayBuffer }) => {};

  constructor(readonly url: string) {
    Wire.last = this;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.sent.push(unpack(bytes.buffer).header);
  }

  connect(): void {
    this.readyState = Wire.OPEN;
    this.onopen();
  }

  lose(): void {
    this.readyState = 3;
    this.onclose();
  }

  tell(message: object): void {
    this.onmessage({ data: pack(message as Record<string, unknown>).buffer });
  }

  /** What it was sent of a kind. */
  of(type: string): Record<string, unknown>[] {
    return this.sent.filter((message) => message.type === type);
  }
}

vi.stubGlobal("WebSocket", Wire);

const view = { session: "a", model: "m", place: { seq: 4, settings: {} }, tree: { nodes: [], branches: [] } };
const welcome = (session: string | null, more: object = {}) => ({
  type: "welcome",
  session,
  epoch: "one",
  view,
  ...more,
});
const opening = { prompt: "a fox" } as Opening;

describe("a client", () => {
  let client: InstanceType<typeof Client>;
  const welcomed: [string | null | undefined, boolean][] = [];
  const outcome = (asked: Promise<unknown>) =>
    asked.then(
      (value) => value,
      (problem: Rejected) => problem.code,
    );
  const edit = (scale = 2) => outcome(client.edit({ kind: "set-guidance", scale } as never));
  const tick = () => new Promise((go) => setTimeout(go, 0));

  let failed = 0;

  beforeEach(() => {
    welcomed.length = failed = 0;
    client = new Client(
      "ws://here",
      {
        linked: () => {},
        welcomed: ({ session }: Welcome, isRenewed) => welcomed.push([session, isRenewed]),
        told: () => {},
        moved: () => {},
        framed: async () => {},
        failed: () => {
          failed++;
        },
      },
      async () => true,
    );
    client.follow("a");
    client.open();
    Wire.last.connect();
    Wire.last.tell(welcome("a"));
  });

  async function reconnect(): Promise<Wire> {
    const before = Wire.last;
    before.lose();
    await vi.waitFor(() => expect(Wire.last).not.toBe(before), { timeout: 5000 });
    Wire.last.connect();
    return Wire.last;
  }

  it("says which session each change is meant for", () => {
    void edit();
    expect(Wire.last.of("edit").map(({ session }) => session)).toEqual(["a"]);
  });

  it("sends what waits again, once, in order, and after the welcome of the same life", async () => {
    void edit(1);
    const wire = await reconnect();
    void edit(2);
    expect(wire.of("edit")).toEqual([]);
    wire.tell(welcome("a"));
    expect(wire.of("edit").map(({ set }) => (set as { scale: number }).scale)).toEqual([1, 2]);
    expect(welcomed.at(-1)).toEqual(["a", false]);
  });

  it("sends what waits again when it is welcomed once more, as after the engine was lost", () => {
    void edit(1);
    Wire.last.tell(welcome("a"));
    expect(Wire.last.of("edit").map(({ op }) => op)).toEqual([1, 1]);
  });

  it("sends nothing again that another life of the engine was asked", async () => {
    const asked = edit();
    const wire = await reconnect();
    wire.tell(welcome("a", { epoch: "two" }));
    expect(await asked).toBe("worker-lost");
    expect(wire.of("edit")).toEqual([]);
    expect(welcomed.at(-1)).toEqual(["a", true]);
  });

  it("keeps what was asked while there was no connection for another life of the engine", async () => {
    const before = Wire.last;
    before.lose();
    void edit(3);
    await vi.waitFor(() => expect(Wire.last).not.toBe(before), { timeout: 5000 });
    Wire.last.connect();
    Wire.last.tell(welcome("a", { epoch: "two" }));
    expect(Wire.last.of("edit").map(({ set }) => (set as { scale: number }).scale)).toEqual([3]);
  });

  it.each(["a change", "a session"])("waits for an engine that is not there yet to take %s", async (what) => {
    let said: unknown = "nothing";
    void edit(3).then((answer) => {
      said = answer;
    });
    const [{ op } = {}] = Wire.last.of("edit");
    vi.useFakeTimers();
    Wire.last.tell({ type: "error", code: "not-ready", text: "Try again.", op: what === "a change" ? op : null });
    await vi.advanceTimersByTimeAsync(1500);
    vi.useRealTimers();
    expect([said, failed]).toEqual(["nothing", 0]);
    expect(Wire.last.of("hello")).toHaveLength(2);
    expect(Wire.last.of("edit")).toHaveLength(1);
    Wire.last.tell(welcome("a", what === "a change" ? { epoch: "two" } : {}));
    expect(Wire.last.of("edit").map((one) => one.op)).toEqual([op, op]);
  });

  it("stays with its session as long as another has not begun", async () => {
    const started = outcome(client.start(opening));
    const [{ op } = {}] = Wire.last.of("start");
    const asked = edit();
    Wire.last.tell({ type: "error", code: "bad-value", text: "Too large.", op });
    expect(await started).toBe("bad-value");
    expect(Wire.last.of("edit")[0]).toMatchObject({ session: "a" });
    const wire = await reconnect();
    expect(wire.of("hello")[0]).toMatchObject({ session: "a", epoch: "one" });
    wire.tell(welcome("a"));
    expect(wire.of("edit")).toHaveLength(1);
    void asked;
  });

  it("lets what was asked of the former session go when another begins", async () => {
    const asked = edit();
    const started = outcome(client.start(opening));
    const [{ op } = {}] = Wire.last.of("start");
    Wire.last.tell(welcome("b", { op }));
    expect([await started, await asked]).toEqual(["b", "not-now"]);
    void edit();
    expect(Wire.last.of("edit").at(-1)).toMatchObject({ session: "b" });
  });

  it("is not taken to a picture that has begun after another was opened", async () => {
    const started = outcome(client.start(opening));
    const [{ op } = {}] = Wire.last.of("start");
    client.follow("c");
    expect(await started).toBe("superseded");
    Wire.last.tell(welcome("b", { op }));
    Wire.last.tell(welcome("c"));
    await tick();
    expect(welcomed.slice(1)).toEqual([["c", false]]);
  });

  it("takes the welcome of its session while another begins", async () => {
    client.follow("c");
    const started = outcome(client.start(opening));
    const [{ op } = {}] = Wire.last.of("start");
    Wire.last.tell(welcome("c"));
    Wire.last.tell(welcome("b", { op }));
    expect(await started).toBe("b");
    expect(welcomed.slice(1)).toEqual([
      ["c", false],
      ["b", false],
    ]);
  });
});
