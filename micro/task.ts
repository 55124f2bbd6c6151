/** What a task is told beside its input. */
export interface TaskInfo {
  /** The request as it came. Its body has been read. */
  request: Request;
  /** Aborted when whoever called the task no longer waits for it. */
  signal: AbortSignal;
}

/**
 * Makes a handler that runs a task: the body of a POST is the input, what the
 * function returns is the answer.
 *
 * With `"handler": "task"` in registry.json every call has a process to itself,
 * which ends with it, and there is no network. What the task writes with `console`
 * is in the log and never in the answer.
 *
 * The input is a value if the body is JSON, a string if it is text, `undefined` if
 * there is none, and bytes otherwise. The answer is JSON, unless the result is a
 * string, bytes or a `Response`; without a result it is empty. An error that is
 * thrown, or `Deno.exit` with anything but 0, makes the call fail.
 *
 * @example
 * ```ts
 * import { createTask } from "denofn/micro";
 *
 * export default createTask((numbers: number[]) => {
 *   console.log(`adding ${numbers.length} numbers`);
 *   return { sum: numbers.reduce((a, b) => a + b, 0) };
 * });
 * ```
 */
export function createTask<Input = unknown>(
  task: (input: Input, info: TaskInfo) => unknown,
): (request: Request) => Promise<Response> {
  return async (request) => {
    if (request.method !== "POST") {
      return new Response("This is a task: send its input with POST.\n", {
        status: 405,
        headers: { allow: "POST" },
      });
    }
    let input: unknown;
    try {
      input = await inputOf(request);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return new Response(`The input is not JSON: ${error.message}\n`, { status: 400 });
    }
    return answer(await task(input as Input, { request, signal: request.signal }));
  };
}

async function inputOf(request: Request): Promise<unknown> {
  const bytes = await request.bytes();
  if (bytes.length === 0) return undefined;
  const type = request.headers.get("content-type")?.split(";", 1)[0].trim().toLowerCase() ?? "";
  const text = () => new TextDecoder().decode(bytes);
  if (type === "application/json" || type.endsWith("+json")) return JSON.parse(text());
  if (type.startsWith("text/") || type === "application/x-www-form-urlencoded") return text();
  return bytes;
}

function answer(result: unknown): Response {
  if (result === undefined) return new Response(null, { status: 204 });
  if (result instanceof Response) return result;
  if (typeof result === "string") return new Response(result);
  if (result instanceof Uint8Array) return new Response(result as BodyInit);
  const text = JSON.stringify(result);
  if (text === undefined) {
    throw new TypeError(`the task returned a ${typeof result}, which JSON cannot write`);
  }
  return new Response(text, { headers: { "content-type": "application/json" } });
}
