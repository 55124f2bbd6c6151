// What a standby process runs; see standby.go. It has Deno started, listens, and has
// answered one request, so that what Deno loads late is loaded. Then it waits for
// one byte on its standard input, and loads the release. An end without one means
// that nobody needs it. The runtime of the release, which is first to run, takes
// the server over, and leaves nothing of this for the author's code to find.
const [socket, main] = Deno.args;
const say = (text) => new TextEncoder().encode(text);

let handler = (request) => {
  request.headers.get("x-request-id");
  return new Response("");
};
const server = Deno.serve({ path: socket, onListen() {} }, (request, info) => handler(request, info));
const connection = await Deno.connect({ transport: "unix", path: socket });
await connection.write(say("GET / HTTP/1.1\r\nhost: standby\r\nconnection: close\r\n\r\n"));
while (await connection.read(new Uint8Array(512)) !== null);
connection.close();

globalThis[Symbol.for("denofn.standby")] = (serves) => {
  handler = serves;
  return server;
};

Deno.stdout.writeSync(say("\x1edenofn/1 standby\n"));
if (Deno.stdin.readSync(new Uint8Array(1)) !== 1) Deno.exit(0);
const url = "file://" + main.split("/").map(encodeURIComponent).join("/");
Object.defineProperty(Deno, "mainModule", { value: url });
await import(url);
