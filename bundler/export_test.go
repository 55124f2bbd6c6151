package bundler

// PlainSpawner starts children without a sandbox.
func PlainSpawner(deno string) Spawner { return plain{deno} }
