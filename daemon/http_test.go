package daemon_test

import (
	"strings"
	"testing"
)

// What the section http says wrongly is refused in words that say what to write.
func TestHTTPConfig(t *testing.T) {
	for text, want := range map[string]string{
		`trusted_proxies = ["proxy"]`:             `http: trusted_proxies: "proxy" is not an address or a network`,
		`trusted_proxies = ["10.0.0.0/33"]`:       "is not an address or a network",
		`trusted_proxies = ["fe80::1%eth0"]`:      "is not an address or a network",
		`domain = "a..b"`:                         `http: domain "a..b" is not a host name`,
		`domain = "a:80"`:                         "is not a host name",
		`root = "../x"`:                           "root: function name",
		`access_log = "some"`:                     `access log "some" is not off, errors or all`,
		`max_header = "1K"`:                       "max header 1K is below 4K",
		`max_connections = -1`:                    "negative limit",
		`trusted_proxies = ["::1", "10.0.0.0/8"]`: "",
		`domain = "Fn.Example."`:                  "",
		`access_log = "errors"`:                   "",
		`metrics = "127.0.0.1:9180"`:              "",
	} {
		_, _, err := readConfig(t, withDeno+"[http]\n"+text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
