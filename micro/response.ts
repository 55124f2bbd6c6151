/** Turns what a handler returned into a response, or says what is wrong with it. */
export function toResponse(value: unknown): Response {
  if (value instanceof Response) return value;
  if (typeof value === "string") return new Response(value);
  throw new TypeError(
    `the handler returned ${describe(value)}, which is neither a Response nor a string`,
  );
}

function describe(value: unknown): string {
  switch (typeof value) {
    case "undefined":
      return "nothing (is a return missing?)";
    case "object":
      return value === null ? "null" : "an object (wrap it: Response.json(value))";
    default:
      return `a ${typeof value}`;
  }
}
