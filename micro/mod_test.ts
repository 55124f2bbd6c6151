import { createHandler, createTask } from "./mod.ts";
import { equal } from "./testing.ts";

const info = { remoteAddr: { transport: "tcp", hostname: "192.0.2.1", port: 0 } } as Deno.ServeHandlerInfo;
const get = new Request("http://localhost/");

Deno.test("createHandler makes a response of a string", async () => {
  const response = await createHandler(() => "hello")(get, info);
  equal([response.status, await response.text()], [200, "hello"]);
});

Deno.test("createHandler lets a response and an error pass", async () => {
  const teapot = new Response(null, { status: 418 });
  equal(await createHandler(() => Promise.resolve(teapot))(get, info) === teapot, true);
  const failing = createHandler(() => {
    throw new Error("boom");
  });
  equal(await failing(get, info).catch((error) => error.message), "boom");
});

for (
  const [value, what] of [
    [undefined, "nothing (is a return missing?)"],
    [null, "null"],
    [{}, "an object (wrap it: Response.json(value))"],
    [7, "a number"],
  ]
) {
  Deno.test(`createHandler says that ${what} is no response`, async () => {
    const message = await createHandler(() => value as string)(get, info).catch((error) => error.message);
    equal(message, `the handler returned ${what}, which is neither a Response nor a string`);
  });
}

Deno.test("createHandler gives the request and who sent it", async () => {
  const handler = createHandler((request, info) =>
    `${request.url} ${(info.remoteAddr as Deno.NetAddr).hostname}`
  );
  equal(await (await handler(get, info)).text(), "http://localhost/ 192.0.2.1");
});

function call(body: BodyInit | null, type?: string) {
  return new Request("http://localhost/", {
    method: "POST",
    body,
    headers: type === undefined ? {} : { "content-type": type },
  });
}

for (
  const [name, request, want] of [
    ["JSON", call('{"a":[1]}', "application/json; charset=utf-8"), { a: [1] }],
    ["another JSON", call("1", "application/activity+json"), 1],
    ["text", call("héllo", "text/plain"), "héllo"],
    ["a form", call("a=1", "application/x-www-form-urlencoded"), "a=1"],
    ["bytes", call(new Uint8Array([1, 2]), "application/octet-stream"), new Uint8Array([1, 2])],
    ["nothing", call(null), undefined],
    ["nothing, called JSON", call("", "application/json"), undefined],
  ] as [string, Request, unknown][]
) {
  Deno.test(`createTask takes ${name} as input`, async () => {
    let got: unknown = "never called";
    await createTask((input) => {
      got = input;
    })(request);
    equal(got, want);
  });
}

for (
  const [name, result, status, type, body] of [
    ["nothing", undefined, 204, null, ""],
    ["a value", { a: 1 }, 200, "application/json", '{"a":1}'],
    ["null", null, 200, "application/json", "null"],
    ["a string", "hi", 200, "text/plain;charset=UTF-8", "hi"],
    ["bytes", new TextEncoder().encode("hi"), 200, null, "hi"],
    ["a response", new Response("x", { status: 201, headers: { "content-type": "a/b" } }), 201, "a/b", "x"],
  ] as [string, unknown, number, string | null, string][]
) {
  Deno.test(`createTask answers ${name}`, async () => {
    const response = await createTask(() => Promise.resolve(result))(call("x"));
    equal([response.status, response.headers.get("content-type"), await response.text()], [
      status,
      type,
      body,
    ]);
  });
}

Deno.test("createTask refuses what is not a call", async () => {
  const never = createTask(() => {
    throw new Error("called");
  });
  const response = await never(get);
  equal([response.status, response.headers.get("allow")], [405, "POST"]);
  equal((await never(call("{", "application/json"))).status, 400);
});

Deno.test("createTask lets an error pass, and refuses what cannot be written", async () => {
  const failing = createTask(() => Promise.reject(new SyntaxError("mine")));
  equal(await failing(call("x")).catch((error) => error.message), "mine");
  const odd = createTask(() => () => 1);
  equal(
    await odd(call("x")).catch((error) => error.message),
    "the task returned a function, which JSON cannot write",
  );
});

Deno.test("createTask tells the task of the request", async () => {
  const task = createTask((_, { request, signal }) => `${request.url} ${signal.aborted}`);
  equal(await (await task(call("x"))).text(), "http://localhost/ false");
});
