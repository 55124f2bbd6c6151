// What the tests of this folder share. No test imports anything from elsewhere,
// so that they run without a network.

/** Throws unless the two are written alike. */
export function equal(got: unknown, want: unknown) {
  const [a, b] = [got, want].map((value) =>
    Deno.inspect(value, { depth: 10, sorted: true, strAbbreviateSize: 1e6, iterableLimit: 1e4 })
  );
  if (a !== b) throw new Error(`got  ${a}\nwant ${b}`);
}

/** A process that serves a module as denofn does. */
export interface Served extends AsyncDisposable {
  /** Sends a request. The host of the URL is not used to connect. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Sends a GET as the gateway does, with just a path, and returns the body. */
  get(path: string, headers: Record<string, string>): Promise<string>;
  /** What it wrote so far, without the line that says ready. */
  stdout(): string;
  stderr(): string;
  /** Resolves when stdout or stderr has the text. */
  wrote(text: string): Promise<void>;
  status: Promise<Deno.CommandStatus>;
}

const ready = "\x1edenofn/1 ready\n";

/** Serves a module, or with `failing` waits until it has ended. */
export async function serve(
  module: string,
  { failing = false, flags = [] as string[] } = {},
): Promise<Served> {
  const dir = await Deno.makeTempDir({ prefix: "micro" });
  const socket = `${dir}/http.sock`;
  const runtime = import.meta.resolve("./serve.ts");
  await Deno.writeTextFile(`${dir}/function.ts`, module);
  await Deno.writeTextFile(
    `${dir}/main.ts`,
    `import { start } from ${
      JSON.stringify(runtime)
    };\nimport * as module from "./function.ts";\nstart(module);\n`,
  );
  await Deno.writeTextFile(
    `${dir}/deno.json`,
    JSON.stringify({ imports: { "denofn/micro": import.meta.resolve("./mod.ts") } }),
  );
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "run",
        "--quiet",
        "--no-prompt",
        "--no-check",
        "--no-remote",
        `--config=${dir}/deno.json`,
        "--no-lock",
      ],
      ...[`--allow-net=unix:${socket}`, `--allow-read=${socket}`, `--allow-write=${socket}`, ...flags],
      ...[`${dir}/main.ts`, socket],
    ],
    clearEnv: true,
    env: { HOME: dir, NO_COLOR: "1", DENO_DIR: `${dir}/cache`, DENO_NO_UPDATE_CHECK: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const text = { stdout: "", stderr: "" };
  let changed = Promise.withResolvers<void>();
  const read = async (stream: "stdout" | "stderr") => {
    for await (const piece of process[stream].pipeThrough(new TextDecoderStream())) {
      text[stream] += piece;
      changed.resolve();
      changed = Promise.withResolvers();
    }
  };
  const reading = Promise.all([read("stdout"), read("stderr")]);
  const status = process.status.then(async (status) => {
    await reading;
    changed.resolve();
    return status;
  });
  let ended = false;
  status.then(() => ended = true);
  const until = async (what: string, done: () => boolean) => {
    const deadline = Date.now() + 30_000;
    while (!done()) {
      if (ended || Date.now() > deadline) {
        throw new Error(`no ${what}\nstdout ${text.stdout}\nstderr ${text.stderr}`);
      }
      await Promise.race([changed.promise, new Promise((resolve) => setTimeout(resolve, 50))]);
    }
  };
  const client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  const served: Served = {
    fetch: (path, init) => fetch(new URL(path, "http://example.org/"), { ...init, client } as RequestInit),
    async get(path, headers) {
      using connection = await Deno.connect({ transport: "unix", path: socket });
      const lines = Object.entries({ ...headers, connection: "close" }).map(([name, value]) =>
        `${name}: ${value}\r\n`
      );
      await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`));
      const answer = await new Response(connection.readable).text();
      return answer.slice(answer.indexOf("\r\n\r\n") + 4);
    },
    stdout: () => text.stdout.replace(ready, ""),
    stderr: () => text.stderr,
    wrote: (part) =>
      until(JSON.stringify(part), () => text.stdout.includes(part) || text.stderr.includes(part)),
    status,
    async [Symbol.asyncDispose]() {
      client.close();
      if (!ended) process.kill("SIGKILL");
      await status;
      await Deno.remove(dir, { recursive: true });
    },
  };
  try {
    if (failing) await status;
    else await until("line that says ready", () => text.stdout.includes(ready));
  } catch (error) {
    await served[Symbol.asyncDispose]();
    throw error;
  }
  return served;
}
