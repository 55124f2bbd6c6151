// What a function writes with console reaches the log as one entry a call, with
// its level and the request that it was written for; see doc.go for the protocol.
//
// Both need what Deno keeps to itself. The public ways cost too much: importing
// node:async_hooks makes a cold start a fifth slower, and formatting what console
// formats would be a second implementation of it. Where a Deno has neither of the
// two below, the console stays as it is, and entries have no request.

type AsyncVariable = { enter(value: string): unknown; get(): string | undefined };
type Internal = {
  Console?: new (print: (text: string, level: number) => void) => Console;
  core?: { AsyncVariable?: new () => AsyncVariable; setAsyncContext?(context: unknown): void };
};

const { Console, core } = (Deno as unknown as { [key: symbol]: Internal })[
  (Deno as unknown as { internal: symbol }).internal
] ?? {};
const { AsyncVariable, setAsyncContext } = core ?? {};
const { stdout, stderr } = Deno;
const encoder = new TextEncoder();
const request = AsyncVariable && setAsyncContext ? new AsyncVariable() : undefined;

/** Writes a control line and text that belongs to it. */
export function control(line: string, text = "", to: { writeSync(bytes: Uint8Array): number } = stdout) {
  const bytes = encoder.encode(`\x1edenofn/1 ${line}\n${text}`);
  for (let done = 0; done < bytes.length;) done += to.writeSync(bytes.subarray(done));
}

/** Calls work so that everything it logs, now or later, has the request's ID. */
export function within<T>(id: string | null, work: () => T): T {
  if (!request || !id) return work();
  const before = request.enter(id);
  try {
    return work();
  } finally {
    setAsyncContext!(before);
  }
}

const levels = ["debug", "info", "warn", "error", "warn"]; // the last is console.trace

function print(text: string, level: number) {
  if (text === "\n") return; // console.trace writes its line end by itself
  if (text.endsWith("\n")) text = text.slice(0, -1);
  const lines = text.split("\n").length;
  control(
    `line ${levels[level] ?? "info"} ${request?.get() ?? "-"} ${lines}`,
    text + "\n",
    level > 1 ? stderr : stdout,
  );
}

if (Console) globalThis.console = new Console(print);
