package daemon

import (
	"reflect"
	"slices"
)

// reloaded are the keys, and the tables, that a Reload applies. Every other key
// names something that is opened once, so that a key which is new and forgotten
// here is reported as needing a restart, and never silently ignored.
var reloaded = []string{
	"policy",
	"http.max_body", "http.domain", "http.root", "http.trusted_proxies", "http.max_header", "http.header_timeout", "http.idle_timeout",
	"http.stall_timeout", "http.min_rate", "http.max_connections", "http.max_connections_per_address", "http.access_log", "http.server_timing",
}

// needRestart returns the keys that differ and that a Reload does not apply, in
// the order of Config.
func needRestart(before, after *Config) []string {
	return changedKeys(reflect.ValueOf(*before), reflect.ValueOf(*after), "")
}

func changedKeys(before, after reflect.Value, prefix string) []string {
	var keys []string
	for field := range before.Type().Fields() {
		key := prefix + field.Tag.Get("toml")
		if slices.Contains(reloaded, key) {
			continue
		}
		b, a := before.FieldByIndex(field.Index), after.FieldByIndex(field.Index)
		if field.Type.Kind() == reflect.Struct && field.Type.Name() == "" {
			keys = append(keys, changedKeys(b, a, key+".")...)
		} else if !reflect.DeepEqual(b.Interface(), a.Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}
