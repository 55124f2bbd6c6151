// What a standby process runs; see standby.go. It has Deno started and waits for
// one byte on its standard input before it loads the release. An end without one
// means that nobody needs it.
const main = Deno.args[1];
Deno.stdout.writeSync(new TextEncoder().encode("\x1edenofn/1 standby\n"));
if (Deno.stdin.readSync(new Uint8Array(1)) !== 1) Deno.exit(0);
const url = "file://" + main.split("/").map(encodeURIComponent).join("/");
Object.defineProperty(Deno, "mainModule", { value: url });
await import(url);
