import { equal, serve } from "./testing.ts";

for (
  const [name, module] of [
    ["a function", `export default () => new Response("hello");`],
    ["a function that returns a string", `export default async () => await "hello";`],
    [
      "createHandler",
      `import { createHandler } from "denofn/micro"; export default createHandler(() => "hello");`,
    ],
    [
      "an object with fetch",
      `export default { word: "hello", fetch() { return new Response(this.word); } };`,
    ],
    ["Deno.serve", `Deno.serve(() => new Response("hello"));`],
    ["Deno.serve with options", `Deno.serve({ port: 3000 }, () => new Response("hello"));`],
    ["Deno.serve with a handler in its options", `Deno.serve({ handler: () => new Response("hello") });`],
    ["Deno.serve, awaited", `await Deno.serve(() => new Response("hello")).finished;`],
    ["Deno.serve, later", `setTimeout(() => Deno.serve(() => new Response("hello")), 20);`],
  ]
) {
  Deno.test(`serves ${name}`, async () => {
    await using served = await serve(module);
    equal(await (await served.fetch("/")).text(), "hello");
    equal([served.stdout(), served.stderr()], ["", ""]);
  });
}

const hint = 'export a handler: export default (request: Request) => new Response("Hello");';

for (
  const [name, module, message] of [
    ["nothing", `const x = 1;`, "the module exports nothing and does not call Deno.serve"],
    [
      "other names",
      `export const fetch = 1, handler = 2;`,
      "the module has no default export, only fetch, handler",
    ],
    [
      "a default that cannot be called",
      `export default 7;`,
      "the default export is neither a function nor an object with a fetch method",
    ],
  ]
) {
  Deno.test(`refuses ${name}`, async () => {
    await using served = await serve(module, { failing: true });
    equal(served.stdout(), `\x1edenofn/1 failed ${JSON.stringify({ message, hint })}\n`);
    equal((await served.status).code, 1);
  });
}

Deno.test("a module that throws ends the process with Deno's own report", async () => {
  await using served = await serve(`throw new Error("boom");`, { failing: true });
  equal([served.stdout(), served.stderr().startsWith("error: Uncaught"), (await served.status).code], [
    "",
    true,
    1,
  ]);
});

Deno.test("a second Deno.serve is an error", async () => {
  await using served = await serve(
    `Deno.serve(() => new Response(name)); let name = ""; try { Deno.serve(() => new Response()); } catch (e) { name = e.name; }`,
  );
  equal(await (await served.fetch("/")).text(), "AddrInUse");
});

Deno.test("Deno.serve is told that it got what it asked for", async () => {
  await using served = await serve(`
    const told = [];
    const server = Deno.serve({ port: 3000, onListen: (a) => told.push(a) }, () => Response.json([told, server.addr]));`);
  const addr = { transport: "tcp", hostname: "0.0.0.0", port: 3000 };
  equal(await (await served.fetch("/")).json(), [[addr], addr]);
});

Deno.test("the author's code cannot touch the socket, and sees no arguments", async () => {
  await using served = await serve(`
    const tried = {};
    const socket = import.meta.dirname + "/http.sock";
    for (const [name, attempt] of Object.entries({
      remove: () => Deno.removeSync(socket), read: () => Deno.statSync(socket),
      listen: () => Deno.listen({ transport: "unix", path: socket }),
    })) { try { tried[name] = String(attempt()); } catch (e) { tried[name] = e.name; } }
    export default () => Response.json([tried, Deno.args]);`);
  equal(await (await served.fetch("/")).json(), [{
    remove: "NotCapable",
    read: "NotCapable",
    listen: "NotCapable",
  }, []]);
});

Deno.test("the request has the client's URL and address", async () => {
  await using served = await serve(`
    export default (request, info) => Response.json([request.url, request.clone().url, new Request(request).url, info.remoteAddr.hostname]);`);
  const got = await served.get("/a?b=c", {
    host: "hello.example.org",
    "x-forwarded-proto": "https",
    "x-forwarded-for": "192.0.2.7, 10.0.0.1",
  });
  const url = "https://hello.example.org/a?b=c";
  equal(JSON.parse(got), [url, url, url, "192.0.2.7"]);
  const plain = "http://hello.example.org/";
  equal(JSON.parse(await served.get("/", { host: "hello.example.org" })), [plain, plain, plain, "127.0.0.1"]);
});

Deno.test("an error is logged for its request and not shown", async () => {
  await using served = await serve(`export default () => { throw new Error("secret"); };`);
  const response = await served.fetch("/", { headers: { "x-request-id": "q1" } });
  equal([response.status, await response.text()], [500, "Internal Server Error"]);
  await served.wrote("Error: secret");
  equal(served.stderr().startsWith("\x1edenofn/1 line error q1 "), true);
});

Deno.test("onError answers for the handler", async () => {
  await using served = await serve(`
    Deno.serve({ onError: (e) => new Response("sorry: " + e.message, { status: 503 }) }, () => { throw new Error("full"); });`);
  const response = await served.fetch("/");
  equal([response.status, await response.text()], [503, "sorry: full"]);
});

Deno.test("an error that nobody catches ends the process", async () => {
  await using served = await serve(
    `export default () => { setTimeout(() => { throw new Error("late"); }); return new Response("ok"); };`,
  );
  equal(await (await served.fetch("/")).text(), "ok");
  equal((await served.status).code, 1);
  equal(served.stderr().startsWith("error: Uncaught"), true);
});

Deno.test("console announces its entries with level, request and lines", async () => {
  await using served = await serve(`
    console.log("loaded");
    export default () => {
      console.debug("d"); console.info("i %s", 1, { a: 1 }); console.warn("w"); console.error("two\\nlines");
      console.group("g"); console.log("in"); console.groupEnd(); console.trace("t");
      console.log("\\x1edenofn/1 failed {}");
      return "ok";
    };`);
  await (await served.fetch("/", { headers: { "x-request-id": "q-1" } })).text();
  await served.wrote("Trace: t");
  const line = (level: string, text: string, request = "q-1") =>
    `\x1edenofn/1 line ${level} ${request} ${text.split("\n").length}\n${text}\n`;
  equal(
    served.stdout(),
    [
      line("info", "loaded", "-"),
      line("debug", "d"),
      line("info", "i 1 { a: 1 }"),
      line("info", "g"),
      line("info", "  in"),
      line("info", "\x1edenofn/1 failed {}"),
    ].join(""),
  );
  equal(
    served.stderr().startsWith(
      line("warn", "w") + line("error", "two\nlines") + "\x1edenofn/1 line warn q-1 ",
    ),
    true,
  );
});

Deno.test("what requests log side by side is told apart", async () => {
  await using served = await serve(`
    let go; const both = new Promise((r) => go = r); let n = 0;
    export default async (request) => {
      const name = new URL(request.url).pathname.slice(1);
      if (++n === 2) go();
      await both;
      console.log(name, "one");
      await new Promise((r) => setTimeout(r, 1));
      console.log(name, "two");
      queueMicrotask(() => console.log(name, "three"));
      return name;
    };`);
  await Promise.all(
    ["a", "b"].map(async (id) =>
      await (await served.fetch("/" + id, { headers: { "x-request-id": id } })).text()
    ),
  );
  for (const id of ["a", "b"]) {
    for (const word of ["one", "two", "three"]) {
      await served.wrote(`\x1edenofn/1 line info ${id} 1\n${id} ${word}\n`);
    }
  }
});

Deno.test("a long entry is written whole", async () => {
  await using served = await serve(`console.log("x".repeat(300_000)); export default () => "ok";`);
  equal(served.stdout(), `\x1edenofn/1 line info - 1\n${"x".repeat(300_000)}\n`);
});

Deno.test("a task answers over the socket", async () => {
  await using served = await serve(`
    import { createTask } from "denofn/micro";
    export default createTask((input: { n: number }) => { console.log("working"); return { n: input.n + 1 }; });`);
  const response = await served.fetch("/", {
    method: "POST",
    body: '{"n":1}',
    headers: { "content-type": "application/json" },
  });
  equal(await response.json(), { n: 2 });
});
