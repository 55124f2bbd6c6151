import { createHandler } from "denofn/micro";

export default createHandler((_) => "Hello, world");
