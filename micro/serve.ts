// The runtime of functions; see doc.go for the protocol. Every line here is on
// the way to the first answer of a cold function: nothing is imported that can
// be done without, and nothing is done before a request that can wait for one.
import { control, within } from "./console.ts";
import { toResponse } from "./response.ts";

type Handler = (request: Request, info: Deno.ServeHandlerInfo) => unknown;
type ErrorHandler = (error: unknown) => unknown;
type Options = {
  hostname?: string;
  port?: number;
  handler?: Handler;
  signal?: AbortSignal;
  onError?: ErrorHandler;
  onListen?: (address: Deno.NetAddr) => void;
};

let handler: Handler | undefined;
let onError: ErrorHandler | undefined;
let announced = false;
let loaded = false;

// Emptied in place: node:process has another view of the same array.
const [socket, main] = Deno.args.splice(0);

// A standby process listens already and has imported this, which must not show.
const standby = Symbol.for("denofn.standby");
const { [standby]: takeOver } = globalThis as { [standby]?: (serves: typeof answer) => typeof server };
if (takeOver) {
  delete (globalThis as { [standby]?: unknown })[standby];
  import.meta.main = true;
  Deno.permissions.revokeSync({ name: "read", path: main });
}

// Whatever the author makes of the name. Only to look at the timers takes a third of
// a cold start, so that is left to those who need one.
const timers = Object.getOwnPropertyDescriptor(globalThis, "setTimeout")!;
const soon = (work: () => void) => (timers.get?.call(globalThis) ?? timers.value)(work);

// Listening comes before the author's code, so that this never holds the
// permission to. No request arrives until the process says that it is ready.
const server: Deno.HttpServer = takeOver?.(answer) ?? Deno.serve({ path: socket, onListen() {} }, answer);
Deno.permissions.revokeSync({ name: "net", host: `unix:${socket}` });
Deno.permissions.revokeSync({ name: "read", path: socket });
Deno.permissions.revokeSync({ name: "write", path: socket });

function announce() {
  if (announced) return;
  announced = true;
  control("ready");
}

function answer(request: Request, info: Deno.ServeHandlerInfo<Deno.UnixAddr>) {
  return within(request.headers.get("x-request-id"), () => handle(request, info));
}

async function handle(request: Request, info: Deno.ServeHandlerInfo<Deno.UnixAddr>) {
  try {
    return toResponse(await handler!(request, new Info(request, info)));
  } catch (error) {
    return failure(error);
  }
}

async function failure(error: unknown): Promise<Response> {
  if (onError) {
    try {
      return toResponse(await onError(error));
    } catch (second) {
      error = second;
    }
  }
  console.error(error);
  return new Response("Internal Server Error", { status: 500 });
}

/** What a handler is told beside the request: the client, not the gateway. */
class Info implements Deno.ServeHandlerInfo {
  #request: Request;
  #info: Deno.ServeHandlerInfo<Deno.UnixAddr>;

  constructor(request: Request, info: Deno.ServeHandlerInfo<Deno.UnixAddr>) {
    this.#request = request;
    this.#info = info;
  }

  get remoteAddr(): Deno.NetAddr {
    const client = this.#request.headers.get("x-forwarded-for")?.split(",", 1)[0].trim();
    return { transport: "tcp", hostname: client || "127.0.0.1", port: 0 };
  }

  get completed(): Promise<void> {
    return this.#info.completed;
  }
}

// A request that came over a Unix socket calls itself http+unix://HOST/path. The
// getter is what `new Request(request)` and `request.clone()` answer with too, and
// costs only those who ask.
const url = Object.getOwnPropertyDescriptor(Request.prototype, "url")!;
const nativeURL = url.get!;
const unixScheme = "http+unix:";
Object.defineProperty(Request.prototype, "url", {
  ...url,
  get(this: Request): string {
    const url: string = nativeURL.call(this);
    if (!url.startsWith(unixScheme)) return url;
    const scheme = this.headers.get("x-forwarded-proto") === "https" ? "https:" : "http:";
    return scheme + url.slice(unixScheme.length);
  },
});

// A module may bring its own call of Deno.serve. Whatever address it names, it is
// given our socket and told that it got what it asked for.
Object.defineProperty(Deno, "serve", {
  configurable: true,
  enumerable: true,
  writable: true,
  value: function serve(first: Options | Handler, second?: Handler | Options) {
    const [options, serves] = typeof first === "function"
      ? [(second ?? {}) as Options, first]
      : [first, second as Handler | undefined ?? first?.handler];
    if (typeof serves !== "function") throw new TypeError("A handler function must be provided.");
    if (handler) {
      throw new Deno.errors.AddrInUse("a function has one server, and Deno.serve was called before");
    }
    handler = serves;
    onError = options.onError;
    const addr: Deno.NetAddr = {
      transport: "tcp",
      hostname: options.hostname ?? "0.0.0.0",
      port: options.port || 8000,
    };
    options.signal?.addEventListener("abort", () => server.shutdown(), { once: true });
    server.ref();
    options.onListen?.(addr);
    // A module that waits for its server, `await server.finished`, never ends
    // loading; one that throws after this line must not be called ready.
    if (loaded) announce();
    else soon(announce);
    return {
      addr,
      finished: server.finished,
      ref: () => server.ref(),
      unref: () => server.unref(),
      shutdown: () => server.shutdown(),
      [Symbol.asyncDispose]: () => server.shutdown(),
    };
  },
});

/** Serves a module that has been loaded. */
export function start(module: Record<string, unknown>) {
  loaded = true;
  handler ??= handlerOf(module.default);
  if (handler) return announce();
  const names = Object.keys(module);
  if (names.length > 0) return refuse(names);
  // A module without exports may call Deno.serve when something that it began has
  // ended. When nothing is left to wait for, it never will.
  server.unref();
  addEventListener("beforeunload", () => announced || refuse(names));
}

function handlerOf(value: unknown): Handler | undefined {
  if (typeof value === "function") return value as Handler;
  const object = value as { fetch?: Handler } | null | undefined;
  if (typeof object?.fetch === "function") return (request, info) => object.fetch!(request, info);
}

function refuse(names: string[]): never {
  const message = names.includes("default")
    ? "the default export is neither a function nor an object with a fetch method"
    : names.length > 0
    ? `the module has no default export, only ${names.join(", ")}`
    : "the module exports nothing and does not call Deno.serve";
  const hint = 'export a handler: export default (request: Request) => new Response("Hello");';
  control(`failed ${JSON.stringify({ message, hint })}`);
  Deno.exit(1);
}
