// A stand-in for the runtime of functions: it speaks the protocol of procman and
// nothing more. A test appends the function's module, which calls serve.
const [socket] = Deno.args;
const control = (text) => Deno.stdout.writeSync(new TextEncoder().encode(`\x1edenofn/1 ${text}\n`));

function serve(handler) {
  const takeOver = globalThis[Symbol.for("denofn.standby")];
  if (takeOver) {
    takeOver(handler);
    return control("ready");
  }
  Deno.serve({
    path: socket,
    async onListen() {
      await Deno.permissions.revoke({ name: "net", host: `unix:${socket}` });
      await Deno.permissions.revoke({ name: "read", path: socket });
      await Deno.permissions.revoke({ name: "write", path: socket });
      control("ready");
    },
  }, handler);
}

