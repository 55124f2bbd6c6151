// What functions ordinarily do has to work in the sandbox. Each check throws or
// returns false if it does not.

import { DatabaseSync } from "node:sqlite";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import fs from "node:fs";

const world = JSON.parse(Deno.args[0]);

const checks = {
  "files": () => {
    Deno.writeTextFileSync("file", "one");
    Deno.writeTextFileSync("file", " two", { append: true });
    Deno.writeTextFileSync("file2", "longer than what follows");
    Deno.writeTextFileSync("file2", "short");
    return Deno.readTextFileSync("file") === "one two" && Deno.readTextFileSync("file2") === "short";
  },
  "folders": () => {
    Deno.mkdirSync("a/b/c", { recursive: true });
    Deno.writeTextFileSync("a/b/c/file", "x");
    Deno.renameSync("a/b/c/file", "a/moved");
    Deno.removeSync("a/b", { recursive: true });
    return [...Deno.readDirSync("a")].length === 1;
  },
  "copy, truncate, sync, lock": () => {
    Deno.writeTextFileSync("source", "content");
    Deno.copyFileSync("source", "copy");
    Deno.truncateSync("copy", 3);
    using f = Deno.openSync("copy", { read: true, write: true });
    f.lockSync(true);
    f.syncSync();
    f.utimeSync(1, 1);
    f.unlockSync();
    return Deno.readTextFileSync("copy") === "con";
  },
  "links": () => {
    Deno.symlinkSync("source", "soft");
    Deno.linkSync("source", "hard");
    return Deno.readTextFileSync("soft") === "content" && Deno.readTextFileSync("hard") === "content";
  },
  "temporary files": () => {
    const path = Deno.makeTempFileSync({ dir: "." });
    Deno.removeSync(path);
    return true;
  },
  "node:fs": () => {
    fs.writeFileSync("node", "x");
    return fs.statSync("node").size === 1 && fs.existsSync("node");
  },
  "sqlite": () => {
    const db = new DatabaseSync("db.sqlite");
    db.exec("pragma journal_mode=wal; create table t(x); insert into t values (1), (2)");
    const { n } = db.prepare("select count(*) as n from t").get();
    db.close();
    return n === 2;
  },
  "Deno.openKv": async () => {
    if (!Deno.openKv) return true;
    using kv = await Deno.openKv("kv.sqlite");
    await kv.set(["k"], 1);
    return (await kv.get(["k"])).value === 1;
  },
  "crypto": async () => {
    crypto.getRandomValues(new Uint8Array(8));
    await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    return createHash("sha256").update("x").digest("hex").startsWith("2d711642");
  },
  "workers": async () => {
    const code = "self.onmessage = (e) => self.postMessage(e.data * 2)";
    const workers = Array.from(
      { length: 4 },
      () => new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" }),
    );
    const doubled = await Promise.all(workers.map((w, i) =>
      new Promise((done) => {
        w.onmessage = (e) => done(e.data);
        w.postMessage(i);
      })
    ));
    workers.forEach((w) => w.terminate());
    return doubled.join() === "0,2,4,6";
  },
  "WebAssembly": async () => {
    const { instance } = await WebAssembly.instantiate(
      new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 42, 11]),
    );
    return instance.exports.f() === 42;
  },
  "timers and signals": async () => {
    await new Promise((done) => setTimeout(done, 1));
    const done = new Promise((resolve) => Deno.addSignalListener("SIGUSR1", resolve));
    Deno.kill(Deno.pid, "SIGUSR1");
    await done;
    return true;
  },
  "time zones and languages": () => new Date(0).toLocaleString("de-DE", { timeZone: "Asia/Tokyo" }).includes("1970"),
  "serve on its socket": async () => {
    const server = Deno.serve({ path: world.socket, onListen() {} }, () => new Response("served"));
    const client = Deno.createHttpClient({ proxy: { transport: "unix", path: world.socket } });
    const answer = await (await fetch("http://function/", { client })).text();
    client.close();
    await server.shutdown();
    return answer === "served";
  },
};

if (world.network) {
  Object.assign(checks, {
    "fetch": async () => await (await fetch(world.url)).text() === "hello",
    "fetch by name": async () => await (await fetch(world.url.replace("127.0.0.1", "localhost"))).text() === "hello",
    "connect": async () => {
      using c = await Deno.connect({ port: Number(new URL(world.url).port) });
      return c.remoteAddr.port > 0;
    },
    "UDP": async () => {
      const socket = createSocket("udp4");
      await new Promise((bound) => socket.bind(0, "127.0.0.1", bound));
      const received = new Promise((done) => socket.once("message", done));
      socket.send("ping", socket.address().port, "127.0.0.1");
      const data = await received;
      socket.close();
      return data.toString() === "ping";
    },
    "network interfaces": () => Deno.networkInterfaces().length > 0,
  });
}

const failed = {};
for (const [name, check] of Object.entries(checks)) {
  try {
    if (!await check()) failed[name] = "wrong result";
  } catch (error) {
    failed[name] = `${error.name}: ${error.message}`;
  }
}
console.log(JSON.stringify(failed));
