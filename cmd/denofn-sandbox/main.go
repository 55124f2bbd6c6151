// Command denofn-sandbox is what denofn starts for every process of a function:
// it confines itself and becomes Deno. denofn can do the same with its own binary,
// but that is ten times as large and takes milliseconds longer to come up, on the
// way to the first answer of every cold function.
//
// It is not for people: it takes its orders from denofn in its only argument.
package main

import "github.com/denofn/denofn/procman/sandbox"

func main() { sandbox.Main() }
