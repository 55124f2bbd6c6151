package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/denofn/denofn/micro/denotest"
)

// become is a script that replaces Deno by another program.
func become(path string, args ...string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = fmt.Sprintf("text(%q)", a)
	}
	return fmt.Sprintf(`
		const text = (s) => new TextEncoder().encode(s + "\0");
		const libc = Deno.dlopen("libc.so.6", {
			execv: { parameters: ["buffer", "buffer"], result: "i32" },
			__errno_location: { parameters: [], result: "pointer" },
		}).symbols;
		const args = [%s];
		const argv = new BigUint64Array([...args.map((a) => BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(a)))), 0n]);
		libc.execv(text(%q), argv);
		console.log("errno", new Deno.UnsafePointerView(libc.__errno_location()).getInt32());
		Deno.exit(0);`, strings.Join(quoted, ", "), path)
}

// There is nothing to execute but Deno, and a Deno with every permission is in
// the same sandbox.
func TestExecute(t *testing.T) {
	const eacces = "errno 13\n"
	h := openHost(t)
	deno := denotest.Path(t)
	secret := `try { console.log(Deno.readTextFileSync("/etc/passwd")) } catch (e) { console.log(e.message) }`
	for name, test := range map[string]struct{ script, want string }{
		"shell":      {become("/bin/sh", "sh", "-c", "echo escaped"), eacces},
		"own file":   {`Deno.copyFileSync(Deno.execPath(), "deno");` + become("deno", "deno", "--version"), eacces},
		"deno again": {become(deno, "deno", "eval", secret), "Permission denied (os error 13): readfile '/etc/passwd'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, nil)
			stdout, stderr, code := runCommand(t, b.command(t, h, b.profile(t, test.script)))
			if stdout != test.want || code != 0 {
				t.Errorf("stdout %q, stderr %q, exit code %d", stdout, stderr, code)
			}
		})
	}
}
