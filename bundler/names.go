package bundler

import (
	"slices"
	"strconv"

	"github.com/agnivade/levenshtein"
)

// builtins are the modules that Deno has built in, without the prefix "node:".
var builtins = []string{
	"_http_agent", "_http_common", "_http_outgoing", "_http_server", "_stream_duplex", "_stream_passthrough",
	"_stream_readable", "_stream_transform", "_stream_writable", "_tls_common", "_tls_wrap",
	"assert", "assert/strict", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto",
	"dgram", "diagnostics_channel", "dns", "dns/promises", "domain", "events", "fs", "fs/promises", "http", "http2", "https",
	"inspector", "inspector/promises", "module", "net", "os", "path", "path/posix", "path/win32", "perf_hooks", "process", "punycode",
	"querystring", "readline", "readline/promises", "repl", "sea", "sqlite", "stream", "stream/consumers", "stream/promises",
	"stream/web", "string_decoder", "sys", "test", "test/reporters", "timers", "timers/promises", "tls", "trace_events", "tty", "url", "util",
	"util/types", "v8", "vm", "wasi", "worker_threads", "zlib",
}

func isBuiltin(name string) bool { return slices.Contains(builtins, name) }

// nearest returns the candidate closest to what was written, or "" when none is
// close enough to be what was meant.
func nearest(written string, candidates []string) string {
	best, bestDistance := "", max(2, len(written)/3+1)
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(written, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

func nearestHint(written string, candidates []string, prefix string) string {
	if near := nearest(written, candidates); near != "" {
		return "did you mean " + quote(prefix+near) + "?"
	}
	return ""
}

func quote(s string) string { return strconv.Quote(s) }
