package procman_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn"
)

// What one function does to use up the machine, another does not notice, and
// neither does the daemon.
func TestFloodsInDeno(t *testing.T) {
	floods := map[string]string{
		"descriptors": `serve(async () => { const all = []; try { for (;;) all.push(Deno.openSync("data")); } catch { return new Response(String(all.length)); } });`,
		"threads": `serve(async () => {
			const url = URL.createObjectURL(new Blob(["while (true);"]));
			for (let i = 0; i < 300; i++) new Worker(url, { type: "module" });
			await new Promise(() => {});
		});`,
		"log":    `serve(async () => { for (let i = 0; i < 200000; i++) console.log("flood " + i); return new Response("done"); });`,
		"line":   `serve(async () => { for (let i = 0; i < 2000; i++) Deno.stdout.writeSync(new Uint8Array(1 << 16).fill(120)); return new Response("done"); });`,
		"memory": `serve(async () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); });`,
		"loop":   `serve(() => { while (true); });`,
		"exits":  `serve(() => Deno.exit(1));`,
	}
	b := newBench(t, nil)
	b.set(b.spec("quiet", "r1", hello, nil))
	b.mustFetch("quiet", "/", "hello")
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := descriptors()
	for name, module := range floods {
		t.Run(name, func(t *testing.T) {
			b.set(b.spec("flood", name, module, func(r *denofn.Release) {
				r.Permissions.Read.Allow = []string{"./data"}
				r.Settings.Memory = 128 << 20
			}))
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			attacked := make(chan error, 1)
			go func() { attacked <- b.send(ctx, "flood", "/") }()
			for range 20 {
				b.mustFetch("quiet", "/", "hello")
			}
			<-attacked
			b.mustFetch("quiet", "/", "hello")
		})
	}
	b.pool.Stop(t.Context(), "flood")
	b.until("the daemon has closed what it opened", func() bool { return descriptors() <= before+2 })
	if s := b.status("quiet"); len(s.Processes) != 1 || s.Failure != nil {
		t.Errorf("the neighbour was disturbed: %+v", s)
	}
	lines, told := 0, false
	for _, r := range b.output.all() {
		if strings.HasPrefix(r.Text, "flood ") {
			lines++
		}
		told = told || strings.Contains(r.Text, "log entries dropped")
	}
	if lines > 20_000 || !told {
		t.Errorf("%d of 200000 lines passed, told %t", lines, told)
	}
}
