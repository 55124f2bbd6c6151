/**
 * The library for authors of functions.
 *
 * A function is a module with a default export. A plain function or an object
 * with a `fetch` method will do; {@linkcode createHandler} adds types to it and
 * makes the same module work with `Deno.serve` and `deno serve` elsewhere.
 *
 * @example The smallest function
 * ```ts
 * import { createHandler } from "denofn/micro";
 *
 * export default createHandler((_) => "Hello, world");
 * ```
 *
 * @module
 */

import { toResponse } from "./response.ts";

export { createTask } from "./task.ts";
export type { TaskInfo } from "./task.ts";

/**
 * What answers a request: a function that returns a response, or a string that
 * becomes the body of one, or a promise of either.
 *
 * @example
 * ```ts
 * import type { Handler } from "denofn/micro";
 *
 * const teapot: Handler = () => new Response("short and stout", { status: 418 });
 * ```
 */
export type Handler = (
  request: Request,
  info: Deno.ServeHandlerInfo,
) => Response | string | Promise<Response | string>;

/**
 * Makes a handler that always returns a response from one that may return a
 * string. An error that the handler throws passes through.
 *
 * @example
 * ```ts
 * import { createHandler } from "denofn/micro";
 *
 * export default createHandler(async (request) => {
 *   if (request.method !== "POST") return "Send me something.";
 *   return Response.json({ length: (await request.text()).length });
 * });
 * ```
 */
export function createHandler(
  handler: Handler,
): (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response> {
  return async (request, info) => toResponse(await handler(request, info));
}
