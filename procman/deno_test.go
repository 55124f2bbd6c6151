package procman_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestArguments(t *testing.T) {
	config := procman.Config{RuntimeDir: "/run/denofn", HomeDir: "/state/home", CacheDir: "/state/cache", Memory: 256 << 20}
	releases := []struct {
		name   string
		change func(*denofn.Release)
	}{
		{"nothing", func(*denofn.Release) {}},
		{"files", func(r *denofn.Release) {
			r.Permissions.Read.Allow = []string{"./data", "/srv/shared"}
			r.Permissions.Write = denofn.Access{Allow: []string{"./data"}, Deny: []string{"./data/a b"}}
		}},
		{"escape", func(r *denofn.Release) { r.Permissions.Read.Allow = []string{"../../other/data", "./a/../../b"} }},
		{"environment", func(r *denofn.Release) {
			r.Permissions.Env.Allow = []string{"TOKEN"}
			r.Settings.Env = map[string]string{"GREETING": "hi", "ANSWER": "42"}
		}},
		{"network", func(r *denofn.Release) { r.Permissions.Net.Allow = []string{"api.github.com", "localhost:5432"} }},
		{"everything", func(r *denofn.Release) {
			r.Permissions.Net.All = true
			r.Permissions.Env.All = true
			r.Permissions.Sys.All = true
		}},
	}
	var text strings.Builder
	for _, tt := range releases {
		r := &denofn.Release{ID: "r1", Function: "hello"}
		tt.change(r)
		fmt.Fprintf(&text, "# %s\n", tt.name)
		for _, arg := range config.Arguments(procman.Spec{Release: r, Dir: "/state/registry/releases/hello/r1"}, "7") {
			fmt.Fprintln(&text, withoutOwn(arg))
		}
	}
	golden := filepath.Join("testdata", "arguments.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

// withoutOwn drops the addresses of this machine from the denials.
func withoutOwn(arg string) string {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() == nil && !ip.IsLoopback() {
			arg = strings.ReplaceAll(arg, ",["+ip.String()+"]", "")
		}
	}
	return arg
}

// Every private address is denied by the Deno that functions run in, however it is
// written, unless the function names it; and nothing else is.
func TestPrivateNetInDeno(t *testing.T) {
	const module = `
		serve(async (request) => {
			const target = new URL(request.url).searchParams.get("target");
			const [, hostname, port] = /^\[?(.*?)\]?:(\d+)$/.exec(target);
			try {
				const c = await Deno.connect({ hostname, port: Number(port), signal: AbortSignal.timeout(50) });
				c.close();
				return new Response("allowed");
			} catch (e) {
				if (e instanceof Deno.errors.NotCapable) return new Response("denied");
				return new Response(e.name === "TimeoutError" ? "undecided" : "allowed");
			}
		});`
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	local := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	all := denofn.Access{All: true}
	named := func(hosts ...string) denofn.Access { return denofn.Access{Allow: hosts} }

	open := newBench(t, func(c *procman.Config) { c.AllowPrivateNet = true })
	closed := newBench(t, nil)
	tests := []struct {
		name    string
		bench   *bench
		net     denofn.Access
		denied  []string
		allowed []string
	}{
		{"all", closed, all, []string{
			"127.0.0.1:" + local, "localhost:" + local, "[::1]:" + local, "[::ffff:127.0.0.1]:" + local, "127.8.9.10:80",
			"0.0.0.0:" + local, "[::]:" + local, "0x7f000001:" + local, "2130706433:" + local, "127.1:" + local,
			"10.1.2.3:80", "100.64.0.1:80", "169.254.169.254:80", "[::ffff:169.254.169.254]:80", "[::ffff:a9fe:a9fe]:80",
			"172.16.0.1:80", "172.31.255.255:80", "192.0.0.192:80", "192.168.1.1:80", "198.18.0.1:80", "224.0.0.1:80", "255.255.255.255:80",
			"[fd00:ec2::254]:80", "[fd20:ce::254]:80", "[fe80::a9fe:a9fe]:80",
		}, []string{"192.0.2.1:80", "172.32.0.1:80", "100.128.0.1:80", "[2001:db8::1]:80"}},
		{"address", closed, named("127.0.0.1:"+local, "10.1.2.3"),
			[]string{"127.0.0.2:" + local, "127.0.0.1:1", "localhost:" + local, "10.1.2.4:80", "[::1]:" + local},
			[]string{"127.0.0.1:" + local, "10.1.2.3:80", "10.1.2.3:443"}},
		{"range", closed, named("10.1.0.0/16", "[::1]:"+local), []string{"10.2.0.1:80", "127.0.0.1:" + local, "[::1]:1"},
			[]string{"10.1.2.3:80", "[::1]:" + local}},
		{"localhost", closed, named("localhost:" + local), []string{"localhost:1", "127.0.0.1:" + local}, []string{"localhost:" + local}},
		{"resolves there", closed, named(loopbackName(t) + ":" + local), []string{loopbackName(t) + ":" + local}, nil},
		{"nothing", closed, denofn.Access{}, []string{"127.0.0.1:" + local, "192.0.2.1:80"}, nil},
		{"policy", open, all, nil, []string{"127.0.0.1:" + local, "localhost:" + local, "169.254.169.254:80", "[::1]:" + local}},
		{"policy, named", open, named("example.com"), []string{"127.0.0.1:" + local}, nil},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := "net" + strconv.Itoa(i)
			tt.bench.set(tt.bench.spec(name, "r1", module, func(r *denofn.Release) { r.Permissions.Net = tt.net }))
			for _, target := range tt.denied {
				got, err := "undecided", error(nil)
				// A busy machine may take longer to look up a name than the function waits.
				for tries := 0; got == "undecided" && tries < 50; tries++ {
					got, err = tt.bench.fetch(name, "/?target="+target)
				}
				if got != "denied" {
					t.Errorf("%s: %s %v, want denied", target, got, err)
				}
			}
			for _, target := range tt.allowed {
				// An address where nobody answers keeps the function waiting.
				if got, err := tt.bench.fetch(name, "/?target="+target); got != "allowed" && got != "undecided" {
					t.Errorf("%s: %s %v, want allowed", target, got, err)
				}
			}
		})
	}
}

// loopbackName returns a name, other than localhost, that resolves to loopback.
func loopbackName(t *testing.T) string {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// A function has its own folders and nothing else of the disk.
func TestFilesInDeno(t *testing.T) {
	b := newBench(t, nil)
	const module = `
		const tell = (what) => { try { return String(what()); } catch (e) { return e.name; } };
		serve(() => new Response([
			tell(() => { Deno.writeTextFileSync("data/x", "kept"); return Deno.readTextFileSync("./data/x"); }),
			tell(() => Deno.readTextFileSync("../other/data/x")),
			tell(() => Deno.readTextFileSync(import.meta.filename)),
			tell(() => Deno.readTextFileSync("/etc/passwd")),
			tell(() => Deno.writeTextFileSync("tmp/x", "")),
			tell(() => Deno.removeSync(socket)),
			tell(() => new Deno.Command("true").outputSync()),
		].join(" ")));`
	b.set(b.spec("files", "r1", module, func(r *denofn.Release) {
		r.Permissions.Read.Allow = []string{"./data"}
		r.Permissions.Write.Allow = []string{"./data"}
	}))
	b.mustFetch("files", "/", "kept NotCapable NotCapable NotCapable NotCapable NotCapable NotCapable")
}
